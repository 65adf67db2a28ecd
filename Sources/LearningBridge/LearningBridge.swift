// LearningBridge
