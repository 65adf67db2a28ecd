import OpenvSwitch

extension Case {
    /// Between text and attributes.
    static var textCases: [Case] {
        let actionText = "set(ipv4(src=10.0.0.9,ttl=63)),push_vlan(vid=5,pcp=0),2,clone(pop_vlan,3)"
        return [
            Case(name: "key from text", group: .text) {
                Prepared { count in
                    for _ in 0..<count {
                        do { use(try FlowText.parseKey(text, portNumber: nil)) } catch { fatalError("\(error)") }
                    }
                }
            },
            Case(name: "key to text", group: .text) {
                let (key, mask) = try bytes()
                return Prepared { count in
                    for _ in 0..<count {
                        use(FlowText.key(key.rawSpan, mask: mask.rawSpan, verbose: false, portName: nil))
                    }
                }
            },
            Case(name: "actions from text", group: .text) {
                Prepared { count in
                    for _ in 0..<count {
                        do { use(try ActionText.parseActions(actionText, portNumber: nil)) } catch {
                            fatalError("\(error)")
                        }
                    }
                }
            },
            Case(name: "actions to text", group: .text) {
                let bytes = try ActionText.parseActions(actionText, portNumber: nil)
                return Prepared { count in
                    for _ in 0..<count { use(ActionText.actions(bytes.rawSpan, portName: nil)) }
                }
            },
        ]
    }
}
