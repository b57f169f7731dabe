package asyncapi

import (
	"strconv"
	"time"

	"github.com/ringback/ringback/schemas"
)

// The topics. Their keys are the service id.
const (
	Lifecycle    = "callback.lifecycle.v1"
	Sessions     = "callback.sessions.v1"
	UserEvents   = "callback.userevents.v1"
	AttachedData = "callback.attached-data.v1"
	DeadLetters  = "callback.deadletters.v1"
)

// Retention keeps a record for the longest scheduled callback (400 days) and 35 days more.
const Retention = 435 * 24 * time.Hour

// Topic is what a topic promises: to those who create it, and to those who read it.
type Topic struct {
	Name     string
	Channel  string // its name in the document
	Title    string
	Doc      string
	Internal bool // no contract for other teams
	// Config is what the topic is created with. Retention is always explicit.
	Config   map[string]string
	Messages []Message
}

// Message is one kind of record in a topic.
type Message struct {
	Name   string
	Title  string
	Doc    string
	Schema string // of its value, as package schemas names it; empty where the value is null
	Key    string // what the record's key is
	// NoKey tells that the key may be null, Bare that the record has no CloudEvents headers.
	NoKey, Bare bool
	// Type, Source, ID, Subject and Time say what the attributes of the CloudEvent are. Without a Type it is one of
	// the schema's event types. An empty Subject or Time is an attribute that the record may lack.
	Type, Source, ID, Subject, Time string
	// Optional are further attributes.
	Optional []Attribute
}

// Attribute is an extension attribute of a CloudEvent.
type Attribute struct{ Name, Pattern, Doc string }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func kept(more ...string) map[string]string {
	config := map[string]string{"cleanup.policy": "delete", "retention.ms": milliseconds(Retention), "retention.bytes": "-1"}
	for i := 0; i < len(more); i += 2 {
		config[more[i]] = more[i+1]
	}
	return config
}

const (
	serviceID = "The service id (_CB_SERVICE_ID), as UTF-8."
	lastEvent = "Time of the session's last event in fold order."
)

// Topics lists all topics.
var Topics = []Topic{
	{
		Name: Lifecycle, Channel: "lifecycle", Title: "Callback lifecycle events",
		Doc: "Every accepted event of every callback session. It is the truth, from which all other topics can be made again. " +
			"Order of arrival: a session's events are put in order by ce_time, not by offset. " +
			"An event that was sent again may be there again, with the same ce_source and ce_id. " +
			"Records of the type ringback.tick have a null value and are to be passed over.",
		Config: kept(),
		Messages: []Message{
			{
				Name: "lifecycleEvent", Title: "A lifecycle event", Schema: schemas.LifecycleEvent, Key: serviceID,
				Doc:    "Which fields a type uses is in docs/events.md; a field that was not given is null. The record's timestamp is its time of arrival.",
				Source: "Who sent the event.", ID: "Unique per ce_source.", Subject: serviceID, Time: "When it happened.",
				Optional: []Attribute{
					{"tenantdbid", "^-?[0-9]+$", "Tenant DBID."}, {"orssessionid", "", "The ORS session that managed the callback."},
				},
			},
			{
				Name: "tick", Title: "The clock of a partition", Key: "Null.", NoKey: true,
				Doc:    "By it the enricher moves the clock of a partition that has no news. No event of any session: pass it over.",
				Type:   "ringback.tick",
				Source: "/ringback/enricher/<partition>", ID: "Of no meaning.",
				Optional: []Attribute{{"ringbackflush", "^true$", "Every settle and offer-grace deadline is due."}},
			},
		},
	},
	{
		Name: Sessions, Channel: "sessions", Title: "State of the sessions", Internal: true,
		Doc: "The enricher's own state, compacted. It may change with any release and is no contract for anybody: do not read it.",
		Config: map[string]string{
			"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1",
			"segment.bytes": strconv.Itoa(64 << 20), "segment.ms": milliseconds(time.Hour), "min.cleanable.dirty.ratio": "0.2",
		},
		Messages: []Message{
			{Name: "sessionState", Title: "State of a session", Schema: schemas.SessionState, Key: serviceID, Bare: true, Doc: "Internal."},
			{Name: "position", Title: "The enricher's position", Schema: schemas.Position, Key: `"\u0000position".`, Bare: true, Doc: "Internal."},
		},
	},
	{
		Name: UserEvents, Channel: "userEvents", Title: "Callback UserEvents",
		Doc: "The UserEvents of every session, each with all KVPs known when it became due: START, FINAL, and a further one for each correction. " +
			"Per service id they lie in order of event_sequence, from 1 without a gap. Written in transactions: who reads with read_committed sees each once.",
		Config: kept(),
		Messages: []Message{{
			Name: "userEvent", Title: "A callback UserEvent", Schema: schemas.UserEvent, Key: serviceID,
			Doc: "The KVPs are described in docs/kvps.md; one that is null is not known. The newest one of a service replaces those before it. " +
				"The record's timestamp is the time of arrival of what made it due.",
			Type: "callback.userevent", Source: "/ringback/enricher", ID: "<service id>/<event_sequence>: the same UserEvent however often it is written.",
			Subject: serviceID, Time: lastEvent,
		}},
	},
	{
		Name: AttachedData, Channel: "attachedData", Title: "Attached data of calls",
		Doc: "KVPs that must ride on a call, so that the callback can be joined to the interaction. Each is due once and never corrected. " +
			"No order is promised between this topic and callback.userevents.v1. Written in transactions: who reads with read_committed sees each once.",
		Config: kept(),
		Messages: []Message{{
			Name: "attachedData", Title: "Attached data of one call", Schema: schemas.AttachedData, Key: serviceID,
			Doc:  "Which keys are due when is told by occasion.",
			Type: "callback.attacheddata", Source: "/ringback/enricher",
			ID:      "<service id>/accepted, or <service id>/connected/<event_source>/<event_id>.",
			Subject: serviceID, Time: lastEvent,
		}},
	},
	{
		Name: DeadLetters, Channel: "deadLetters", Title: "Dead letters",
		Doc: "Records that could not be processed, whole, each with its reason. docs/dead-letters.md lists the reasons. " +
			"After an outage a letter may be there twice, with the same ce_id. A letter keeps its record as it came, personal data included.",
		Config: kept("max.message.bytes", strconv.Itoa(2<<20)), // a letter holds up to 1 MiB of the record it is about
		Messages: []Message{{
			Name: "deadLetter", Title: "A record that was set aside", Schema: schemas.DeadLetter,
			Key: "The service id; null where it is not known.", NoKey: true,
			Doc:  "component, topic, partition and offset say who set which record aside.",
			Type: "callback.deadletter", Source: "/ringback/<component>", ID: "<component>/<topic>/<partition>/<offset>.",
			Time: "The timestamp of the record that was set aside.",
		}},
	},
}
