package zone

import "strings"

// Node is what DNS finds at one name.
type Node struct {
	Exists bool  // the name has record sets, or a name below it has
	Sets   []Set // in order; a wildcard's under the wildcard's name
	Zone   string
	SOA    Set
}

// Look returns what a resolver in a VPC finds at a name, and false where no hosted zone holds it: the most specific
// private zone of the VPC, else the most specific public one. A private zone that lacks the name hides the public one
// (Route 53 developer guide, hosted-zone-private-considerations).
func (s *Store) Look(vpc string, name Name) (Node, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *hostedZone
	for _, h := range s.zones {
		if !name.In(h.name) || h.info.Private && !h.info.in(vpc) {
			continue
		}
		better := best == nil || h.info.Private && !best.info.Private ||
			h.info.Private == best.info.Private && (len(h.name.text) > len(best.name.text) ||
				h.name == best.name && h.sequence < best.sequence)
		if better {
			best = h
		}
	}
	if best == nil {
		return Node{}, false
	}
	best.propagate(s.now())
	return best.look(name), true
}

func (h *hostedZone) look(name Name) Node {
	node := Node{Zone: h.name.text}
	if soa := h.visible.get(key{h.name.order, "SOA", ""}); soa != nil {
		node.SOA = soa.Set
	}
	at := h.visible.at(name.order)
	node.Exists = h.exists(name)
	// The wildcard that counts is the child of the closest name that exists (RFC 4592).
	for encloser := name; !node.Exists && encloser != h.name; {
		encloser = encloser.parent()
		if h.exists(encloser) {
			at = h.visible.at(encloser.order + "*.")
			node.Exists = len(at) > 0
			break
		}
	}
	for _, r := range at {
		node.Sets = append(node.Sets, r.clone())
	}
	return node
}

// exists reports whether the name or a name below it has record sets.
func (h *hostedZone) exists(name Name) bool {
	i, _ := h.visible.find(key{order: name.order})
	return i < len(h.visible) && strings.HasPrefix(h.visible[i].key.order, name.order)
}
