package parity

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// Expect is what golden results say of the topics. The store and T-Server's log follow from those, and are held against
// `ringback run --once`.
type Expect struct {
	UserEvents map[string]scenario.UserEvent // by the UserEvent's id
	Attached   map[string]scenario.Values    // by service id, occasion, interaction
	Letters    map[string]int                // by component, reason, service id, missing KVPs
	Sessions   map[string]*scenario.Session  // by service id
}

// Golden gathers the golden results of scenarios.
func Golden(names []string) (*Expect, error) {
	x := &Expect{
		UserEvents: map[string]scenario.UserEvent{}, Attached: map[string]scenario.Values{},
		Letters: map[string]int{}, Sessions: map[string]*scenario.Session{},
	}
	for _, name := range names {
		golden, err := scenario.Golden(name)
		if err != nil {
			return nil, err
		}
		for i := range golden.Sessions {
			s := &golden.Sessions[i]
			if x.Sessions[s.ServiceID] != nil {
				return nil, fmt.Errorf("two scenarios have the session %s", s.ServiceID)
			}
			x.Sessions[s.ServiceID] = s
			for _, u := range s.UserEvents {
				slices.Sort(u.Missing) // in whichever order they are named
				x.UserEvents[callback.UserEventID(s.ServiceID, u.Sequence)] = u
			}
			for _, a := range s.AttachedData {
				x.Attached[strings.Join([]string{s.ServiceID, a.Occasion, a.IxnID}, " ")] = a.KVPs
			}
		}
		for _, d := range golden.DeadLetters {
			x.Letters[reason(d.Component, d.Reason, d.ServiceID, d.Missing)]++
		}
	}
	return x, nil
}

// reason tells dead letters apart as golden results do.
func reason(component, reason, service string, missing []string) string {
	return fmt.Sprint(component, " ", reason, " ", service, " ", slices.Sorted(slices.Values(missing)))
}

// Against says where the topics are not as the golden results have them.
func (x *Expect) Against(c *Contents) []string {
	got := &Expect{UserEvents: map[string]scenario.UserEvent{}, Attached: map[string]scenario.Values{}}
	for id, u := range c.UserEvents {
		got.UserEvents[id] = asGolden(&u)
	}
	for _, a := range c.Attached {
		plain := foldtest.FromAttachedData(&a)
		got.Attached[strings.Join([]string{a.ServiceID, plain.Occasion, plain.IxnID}, " ")] = plain.KVPs
	}
	return slices.Concat(diff("UserEvents and golden results", got.UserEvents, x.UserEvents),
		diff("attached data and golden results", got.Attached, x.Attached),
		diff("dead letters and golden results", c.Reasons, x.Letters))
}

func asGolden(u *callback.UserEvent) scenario.UserEvent {
	value := func(p *int64) int64 {
		if p == nil {
			return 0
		}
		return *p
	}
	g := scenario.UserEvent{
		Sequence: u.Sequence, Cause: string(u.Cause), KVPs: maps.Clone(foldtest.FromKVPs(&u.KVPs)),
		ServiceName: deref(u.ServiceName), MediaType: deref(u.MediaType),
		Columns: map[string]int64{
			"DESIRED_TIME_TS": value(u.DesiredTime), "PUSH_DELIVERY_CONFIRMED_TS": value(u.PushDeliveryConfirmed),
			"CUSTOMER_READY_TO_START_IXN_TS": value(u.CustomerReadyToStartIxn),
		},
	}
	for _, k := range u.KVPs.Missing() {
		g.Missing = append(g.Missing, k.String())
	}
	slices.Sort(g.Missing)
	return g
}
