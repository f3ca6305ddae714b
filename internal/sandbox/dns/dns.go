// Package dns answers DNS as the resolver of one VPC does for the hosted zones that the VPC sees: recursion
// available, not authoritative, one weighted record set a query. It refuses names outside the hosted zones; nothing is
// forwarded, cached or signed.
package dns

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// Server answers over UDP and TCP on one address.
type Server struct {
	store *zone.Store
	vpc   string
	addr  string
	udp   *dns.Server
	tcp   *dns.Server
	done  sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	queries map[string]int // answered, by response code
}

// Listen starts to answer on an address for a VPC. Of port 0 it makes one that is free for UDP and TCP.
func Listen(addr, vpc string, store *zone.Store, random *rand.Rand) (*Server, error) {
	s := &Server{
		store:   store,
		vpc:     vpc,
		random:  random,
		queries: map[string]int{},
	}
	udp, tcp, err := listen(addr)
	if err != nil {
		return nil, err
	}
	s.addr = tcp.Addr().String()
	handler := dns.HandlerFunc(s.serve)
	s.udp = &dns.Server{PacketConn: udp, Handler: handler}
	s.tcp = &dns.Server{Listener: tcp, Handler: handler, ReadTimeout: 5 * time.Second}
	for _, server := range []*dns.Server{s.udp, s.tcp} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		s.done.Go(func() { _ = server.ActivateAndServe() }) // ends by Close
		<-started
	}
	return s, nil
}

func listen(addr string) (net.PacketConn, net.Listener, error) {
	var last error
	for range 20 { // a port that is free for TCP may be taken for UDP
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("listen for DNS over TCP: %w", err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp, nil
		}
		last = fmt.Errorf("listen for DNS over UDP: %w", err)
		_ = tcp.Close()
		if _, port, _ := net.SplitHostPort(addr); port != "0" {
			break
		}
	}
	return nil, nil, last
}

// Addr is host and port.
func (s *Server) Addr() string { return s.addr }

// Queries returns how many queries were answered, by response code.
func (s *Server) Queries() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := map[string]int{}
	for k, v := range s.queries {
		result[k] = v
	}
	return result
}

// Close stops answering.
func (s *Server) Close() {
	_ = s.udp.Shutdown() // only says that it was not started
	_ = s.tcp.Shutdown()
	s.done.Wait()
}

func (s *Server) serve(w dns.ResponseWriter, query *dns.Msg) {
	m := s.answer(query)
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
		m.SetEdns0(4096, false)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(min(size, 4096))
	}
	s.mu.Lock()
	s.queries[dns.RcodeToString[m.Rcode]]++
	s.mu.Unlock()
	_ = w.WriteMsg(m) // the client may be gone
}

func (s *Server) answer(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(query)
	m.RecursionAvailable = true
	if query.Opcode != dns.OpcodeQuery || len(query.Question) != 1 {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	q := query.Question[0]
	if q.Qclass != dns.ClassINET || q.Qtype == dns.TypeANY || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	name := q.Name
	for range 8 { // a chain of CNAMEs
		parsed, err := zone.ParseName(octalEscapes(name))
		if err != nil {
			m.Rcode = dns.RcodeFormatError
			return m
		}
		node, ok := s.store.Look(s.vpc, parsed)
		if !ok {
			if len(m.Answer) == 0 {
				m.Rcode = dns.RcodeRefused
			}
			return m
		}
		if !node.Exists {
			m.Rcode = dns.RcodeNameError
			m.Ns = negative(node)
			return m
		}
		if rrs := s.records(node, name, dns.TypeToString[q.Qtype]); len(rrs) > 0 {
			m.Answer = append(m.Answer, rrs...)
			return m
		}
		cname := s.records(node, name, "CNAME")
		if len(cname) == 0 {
			m.Ns = negative(node)
			return m
		}
		m.Answer = append(m.Answer, cname...)
		name = cname[0].(*dns.CNAME).Target
	}
	m.Rcode = dns.RcodeServerFailure
	return m
}

// records returns the answer of one type at a node: all values of the one set that is chosen.
func (s *Server) records(node zone.Node, name, typ string) []dns.RR {
	var group []zone.Set
	for _, set := range node.Sets {
		if set.Type == typ && set.Alias == nil {
			group = append(group, set)
		}
	}
	if len(group) == 0 {
		return nil
	}
	var rrs []dns.RR
	for _, set := range s.choose(group) {
		for _, value := range set.Values {
			if rr := toRR(name, set, value); rr != nil {
				rrs = append(rrs, rr)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random.Shuffle(len(rrs), func(i, j int) { rrs[i], rrs[j] = rrs[j], rrs[i] })
	return rrs
}

// choose picks by weight, weight 0 only where all have it (Route 53 API reference, ResourceRecordSet). Multivalue
// answers are up to eight sets; of other policies any one set will do.
func (s *Server) choose(group []zone.Set) []zone.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if group[0].MultiValue {
		s.random.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		return group[:min(8, len(group))]
	}
	var total int64
	for _, set := range group {
		if set.Weight != nil {
			total += *set.Weight
		}
	}
	if total == 0 {
		return []zone.Set{group[s.random.IntN(len(group))]}
	}
	at := s.random.Int64N(total)
	for _, set := range group {
		if at -= *set.Weight; at < 0 {
			return []zone.Set{set}
		}
	}
	return nil // not reached: the weights add up to total
}

// toRR reads a value as a DNS record, nil where it is none.
func toRR(name string, set zone.Set, value string) dns.RR {
	if strings.ContainsAny(value, "\n\r") {
		return nil
	}
	switch set.Type {
	case "SRV", "MX", "CNAME", "NS", "PTR": // Route 53 takes targets without a final dot as absolute
		value = dns.Fqdn(value)
	}
	rr, err := dns.NewRR(fmt.Sprintf(". %d IN %s %s", set.TTL, set.Type, value))
	if err != nil || rr == nil {
		return nil
	}
	rr.Header().Name = name // as it was asked, in its case
	return rr
}

// negative is the authority section of an answer without records: the SOA, to be kept for as long as it says (RFC
// 2308).
func negative(node zone.Node) []dns.RR {
	for _, value := range node.SOA.Values {
		rr := toRR(node.Zone, node.SOA, value)
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
			return []dns.RR{soa}
		}
	}
	return nil
}

// octalEscapes turns the escapes of DNS libraries, \. and decimal \DDD, into Route 53's octal ones.
func octalEscapes(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '\\' || i+1 >= len(name) {
			if c == '\\' || c <= ' ' || c >= 0x7f {
				fmt.Fprintf(&b, `\%03o`, c)
			} else {
				b.WriteByte(c)
			}
			continue
		}
		if n, err := strconv.ParseUint(name[i+1:min(i+4, len(name))], 10, 8); err == nil && i+4 <= len(name) {
			fmt.Fprintf(&b, `\%03o`, n)
			i += 3
			continue
		}
		i++
		fmt.Fprintf(&b, `\%03o`, name[i])
	}
	return b.String()
}
