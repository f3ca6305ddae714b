package container

import (
	"cmp"
	"strconv"
	"strings"
)

// Port is a port inside a container's network namespace.
type Port struct {
	Number uint16
	Proto  Proto
}

// Compare orders ports by number, and TCP before UDP. It returns -1, 0 or +1, as cmp.Compare does.
func (p Port) Compare(q Port) int {
	return cmp.Or(cmp.Compare(p.Number, q.Number), cmp.Compare(p.Proto, q.Proto))
}

// String returns the port as the Engine writes it: "80/tcp".
func (p Port) String() string { return strconv.Itoa(int(p.Number)) + "/" + string(p.Proto) }

// ParsePort reads a port as String writes it.
func ParsePort(s string) (Port, bool) {
	number, proto, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return Port{}, false
	}
	switch p := Proto(proto); p {
	case TCP, UDP, SCTP:
		return Port{Number: uint16(n), Proto: p}, true
	}
	return Port{}, false
}
