package zone

// Position is a place in the order of a zone's record sets; zero fields stand before every value.
type Position struct {
	Name          string
	Type          string
	SetIdentifier string
}

// Page is a part of a zone. Next is the position of the first set after it, nil at the end.
type Page struct {
	Sets []Set
	Next *Position
}

// List returns up to max record sets from a position on: a position, not a filter.
func (s *Store) List(zoneID string, from Position, max int) (Page, error) {
	var k key
	if from.Name != "" {
		name, err := ParseName(from.Name)
		if err != nil {
			return Page{}, refuse(InvalidInput, "%s", err)
		}
		k = key{name.order, from.Type, from.SetIdentifier}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.zone(zoneID)
	if err != nil {
		return Page{}, err
	}
	start, _ := h.current.find(k)
	end := min(start+max, len(h.current))
	page := Page{Sets: make([]Set, 0, end-start)}
	for _, r := range h.current[start:end] {
		page.Sets = append(page.Sets, r.clone())
	}
	if end < len(h.current) {
		next := h.current[end]
		page.Next = &Position{next.Name, next.Type, next.SetIdentifier}
	}
	return page, nil
}
