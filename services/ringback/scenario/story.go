package scenario

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// story is one generated session: what happens to one customer.
type story struct {
	random *rand.Rand
	seed   uint64
	number int
	now    int64   // milliseconds
	speed  float64 // 0 is 1: how many times faster than in life it all goes

	id      string // service id
	ors     string
	phone   string
	site    *site
	attempt int

	times []int64
	lines [][]byte
}

// site is a callback service as it is configured: its names and queues.
type site struct {
	service, inbound, virtual, outbound string
	dbid                                int // of the virtual queue; the outbound one has the next
	targets                             []string
}

var sites = []site{
	{"sales", "VQ_Inbound_Sales", "VQ_Callback_Sales", "VQ_Outbound_Sales", 1201, []string{"SalesAgents@StatServer.GA", "SalesSeniors@StatServer.GA"}},
	{"support", "VQ_Inbound_Support", "VQ_Callback_Support", "VQ_Outbound_Support", 1211, []string{"SupportAgents@StatServer.GA", "SupportSeniors@StatServer.GA"}},
	{"billing", "VQ_Inbound_Billing", "VQ_Callback_Billing", "VQ_Outbound_Billing", 1221, []string{"BillingAgents@StatServer.GA"}},
	{"claims", "VQ_Inbound_Claims", "VQ_Callback_Claims", "VQ_Outbound_Claims", 1231, []string{"ClaimsAgents@StatServer.GA"}},
}

// Sources of the events.
const (
	ivr = "/ivr/main-menu"
	gms = "/gms/sipcluster-1"
	ors = "/ors/sip-switch-1"
	app = "/app/mobile"
)

func newStory(random *rand.Rand, seed uint64, number int, start int64) *story {
	a, b := random.Uint64(), random.Uint64()
	return &story{
		random: random, seed: seed, number: number, now: start,
		// The number makes it unique, whatever is drawn.
		id:    fmt.Sprintf("370-%08x-%04x-4%03x-8%03x-%012x", uint32(a), uint16(a>>32), a>>48&0xfff, b&0xfff, number),
		ors:   fmt.Sprintf("%016X0000%012X", b, number),
		phone: fmt.Sprintf("650555%04d", number%10000),
		site:  &sites[random.IntN(len(sites))],
	}
}

// between draws a whole number from low to high.
func (s *story) between(low, high int) int { return low + s.random.IntN(high-low+1) }

func (s *story) chance(percent int) bool { return s.random.IntN(100) < percent }

// wait lets some seconds pass.
func (s *story) wait(low, high int) *story {
	s.now += s.lasts(int64(s.between(low*1000, high*1000)))
	return s
}

// lasts is how long so many milliseconds of life take in the story. What takes any time in life does so
// there, so that the order of events stays.
func (s *story) lasts(ms int64) int64 {
	if s.speed == 0 || s.speed == 1 || ms == 0 {
		return ms
	}
	return max(1, int64(float64(ms)/s.speed))
}

// ixn is the id of the session's n-th interaction.
func (s *story) ixn(n int) string { return fmt.Sprintf("00%016X%04X%010X", s.seed+1, n, s.number) }

func (s *story) target() string { return s.site.targets[s.random.IntN(len(s.site.targets))] }

// add makes an event that happens now. data is pairs of a field's name and value:
// string, int, bool, or raw JSON.
func (s *story) add(source, typ string, data ...any) {
	line := make([]byte, 0, 320+32*len(data))
	line = append(line, `{"specversion":"1.0","id":"g`...)
	line = strconv.AppendUint(line, s.seed, 10)
	line = append(line, '-')
	line = strconv.AppendInt(line, int64(s.number), 10)
	line = append(line, '-')
	line = strconv.AppendInt(line, int64(len(s.lines)+1), 10)
	line = append(line, `","source":"`...)
	line = append(line, source...)
	line = append(line, `","type":"callback.`...)
	line = append(line, typ...)
	line = append(line, `","subject":"`...)
	line = append(line, s.id...)
	line = append(line, `","time":"`...)
	line = time.UnixMilli(s.now).UTC().AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","tenantdbid":101`...)
	if source == ors {
		line = append(line, `,"orssessionid":"`...)
		line = append(line, s.ors...)
		line = append(line, '"')
	}
	line = append(line, `,"datacontenttype":"application/json","data":{`...)
	for i := 0; i < len(data); i += 2 {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, '"')
		line = append(line, data[i].(string)...)
		line = append(line, '"', ':')
		switch v := data[i+1].(type) {
		case string:
			line = strconv.AppendQuote(line, v)
		case int:
			line = strconv.AppendInt(line, int64(v), 10)
		case bool:
			line = strconv.AppendBool(line, v)
		case raw:
			line = append(line, v...)
		default:
			panic(fmt.Sprintf("scenario: a field of type %T", v))
		}
	}
	s.times = append(s.times, s.now)
	s.lines = append(s.lines, append(line, "}}"...))
}

// raw is JSON as it is written.
type raw string

func queue(name string, dbid int) raw {
	return raw(fmt.Sprintf(`{"name":%q,"dbid":%d,"cfg_type_id":11,"cfg_type":"CFGVirtualQueue"}`, name, dbid))
}

func (s *story) virtualQueue() raw  { return queue(s.site.virtual, s.site.dbid) }
func (s *story) outboundQueue() raw { return queue(s.site.outbound, s.site.dbid+1) }
