"""Runs the system tests: all classes of the modules *_tests.py, or those that the arguments name.

A name is a class, a class and a test (`Run.test_json_everywhere`), or the beginning of class names with a star (`OVS*`).
"""

import fnmatch
import glob
import importlib
import os
import signal
import sys
import time
import unittest


class Result(unittest.TextTestResult):
    """Tells how long each test took."""

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.begin:.1f} s, ")
        super().addSuccess(test)


def main(names):
    # Programs that a shell starts in the background ignore Ctrl-C, and so would all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = os.path.dirname(os.path.abspath(__file__))
    classes = {}
    for path in sorted(glob.glob(os.path.join(directory, "*_tests.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__:
                if classes.setdefault(name, value) is not value:
                    raise SystemExit(f"two modules have a class {name}")
    loader, suite = unittest.defaultTestLoader, unittest.TestSuite()
    for name in names or ["*"]:
        pattern, _, method = name.partition(".")
        found = fnmatch.filter(classes, pattern)
        if not found:
            raise SystemExit(f"no test is called {name}; there are {' '.join(classes)}")
        for each in found:
            if method and not hasattr(classes[each], method):
                raise SystemExit(f"{each} has no test {method}")
            suite.addTest(classes[each](method) if method else loader.loadTestsFromTestCase(classes[each]))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    if result.skipped and os.environ.get("CI"):
        print("tests were skipped, which CI does not allow", file=sys.stderr)
        return 1
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
