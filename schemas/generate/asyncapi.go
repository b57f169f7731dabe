package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ringback/ringback/schemas"
	"github.com/ringback/ringback/schemas/asyncapi"
)

// object is a JSON object; encoding/json writes its members in alphabetical order.
type object = map[string]any

const (
	bindingVersion = "0.5.0"
	avroFormat     = "application/vnd.apache.avro+json;version=1.9.0"
	// Every version of a schema can read what every other version wrote.
	compatibility = "FULL_TRANSITIVE"
)

const contractDoc = `Genesys Callback historical reporting as an event stream.

**Keys.** A record's key is the service id, hashed as Java's default partitioner does (murmur2). All topics have the same number of partitions, which never changes: a session lives on one partition number of every topic.

**Values.** Avro in the Confluent wire format: a zero byte, the schema's id in the registry as four bytes, big-endian, then the record. Subjects are registered as x-subject says; compatibility is ` + compatibility + `.

**Headers.** The CloudEvents Kafka protocol binding, binary mode: the attributes are headers that begin with ce_, as UTF-8. Pass over headers that you do not know.

**Enumerations are open.** A value, a type or a symbol that is not listed may come.

What a subscriber may rely on is in docs/subscribe.md.`

// asyncAPI writes the AsyncAPI 3 document of the topics. The schemas' text is in it as it is, KVP names and columns included.
func asyncAPI(topics []asyncapi.Topic) ([]byte, error) {
	channels, operations, messages, payloads := object{}, object{}, object{}, object{}
	added := 0 // versions beyond each schema's first
	for _, t := range topics {
		inChannel := object{}
		for _, m := range t.Messages {
			inChannel[m.Name] = ref("components", "messages", m.Name)
			message, version, err := messageOf(t, m)
			if err != nil {
				return nil, err
			}
			messages[m.Name] = message
			if m.Schema == "" {
				continue
			}
			added += version - 1
			text, _, err := schemas.Latest(m.Schema)
			if err != nil {
				return nil, err
			}
			payloads[m.Schema] = object{"schemaFormat": avroFormat, "schema": json.RawMessage(text)}
		}
		binding, err := topicBinding(t)
		if err != nil {
			return nil, err
		}
		channel := object{
			"address": t.Name, "title": t.Title, "description": t.Doc, "messages": inChannel,
			"servers": []object{ref("servers", "kafka")}, "bindings": object{"kafka": binding},
		}
		if t.Internal {
			channel["x-internal"] = true
		}
		channels[t.Channel] = channel
		operations["write"+strings.ToUpper(t.Channel[:1])+t.Channel[1:]] = object{
			"action": "send", "channel": ref("channels", t.Channel), "title": t.Title, "summary": "Ringback writes to " + t.Name + ".",
		}
	}
	doc := struct {
		AsyncAPI           string `json:"asyncapi"`
		Info               object `json:"info"`
		DefaultContentType string `json:"defaultContentType"`
		Servers            object `json:"servers"`
		Channels           object `json:"channels"`
		Operations         object `json:"operations"`
		Components         object `json:"components"`
	}{
		AsyncAPI: "3.0.0",
		Info: object{
			"title": "Ringback topics", "version": fmt.Sprintf("1.%d.0", added), "description": contractDoc,
			"license":     object{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
			"x-generated": "by schemas/generate from schemas/asyncapi/topics.go and schemas/avro. Do not edit: run make generate.",
		},
		DefaultContentType: "application/avro",
		Servers: object{"kafka": object{
			"host": "{bootstrap}", "protocol": "kafka", "description": "Any Apache Kafka from 2.5 on. The addresses are the deployment's.",
			"variables": object{
				"bootstrap": object{"default": "localhost:9092", "description": "Bootstrap address."},
			},
			"bindings": object{"kafka": object{
				"schemaRegistryUrl": "http://localhost:8081", "schemaRegistryVendor": "confluent", "bindingVersion": bindingVersion,
			}},
		}},
		Channels: channels, Operations: operations, Components: object{"messages": messages, "schemas": payloads},
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(doc); err != nil {
		return nil, fmt.Errorf("the AsyncAPI document: %w", err)
	}
	return b.Bytes(), nil
}

func ref(path ...string) object { return object{"$ref": "#/" + strings.Join(path, "/")} }

// topicBinding is a topic's configuration in the types of the Kafka binding. How many partitions and replicas there are
// is the deployment's matter.
func topicBinding(t asyncapi.Topic) (object, error) {
	config := object{}
	for key, value := range t.Config {
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			config[key] = n
			continue
		}
		config[key] = value
	}
	policy, ok := config["cleanup.policy"].(string)
	if !ok {
		return nil, fmt.Errorf("topic %s has no cleanup.policy", t.Name)
	}
	config["cleanup.policy"] = strings.Split(policy, ",")
	return object{"topic": t.Name, "topicConfiguration": config, "bindingVersion": bindingVersion}, nil
}

// messageOf describes a kind of record, and returns the version of its schema.
func messageOf(t asyncapi.Topic, m asyncapi.Message) (message object, version int, err error) {
	key := object{"type": "string", "description": m.Key}
	if m.NoKey {
		key["type"] = []string{"string", "null"}
	}
	binding := object{"key": key, "bindingVersion": bindingVersion}
	message = object{"name": m.Name, "title": m.Title, "summary": m.Doc, "bindings": object{"kafka": binding}}
	var types []string
	if m.Schema == "" {
		message["payload"] = object{"type": "null"}
		key["type"] = "null"
	} else {
		schema, err := load(m.Schema)
		if err != nil {
			return nil, 0, err
		}
		if _, version, err = schemas.Latest(m.Schema); err != nil {
			return nil, 0, err
		}
		for _, e := range schema.EventTypes {
			types = append(types, e.Type)
		}
		subject := t.Name + "-value"
		if len(t.Messages) > 1 && t.Internal {
			subject = t.Name + "-" + schema.Namespace + "." + schema.Name // one topic, several records
		}
		binding["schemaIdLocation"], binding["schemaIdPayloadEncoding"] = "payload", "confluent"
		binding["schemaLookupStrategy"] = "TopicNameStrategy"
		if !strings.HasSuffix(subject, "-value") {
			binding["schemaLookupStrategy"] = "TopicRecordNameStrategy"
		}
		message["payload"] = ref("components", "schemas", m.Schema)
		message["contentType"] = "application/avro"
		message["x-subject"], message["x-compatibility"], message["x-schema-version"] = subject, compatibility, version
	}
	if !m.Bare {
		if message["headers"], err = headersOf(m, types); err != nil {
			return nil, 0, fmt.Errorf("topic %s: %w", t.Name, err)
		}
	}
	return message, version, nil
}

// headersOf describes the headers of a record.
func headersOf(m asyncapi.Message, types []string) (object, error) {
	if (m.Type == "") == (len(types) == 0) {
		return nil, fmt.Errorf("message %s must have a type, or a schema with event types", m.Name)
	}
	required := []string{"ce_specversion", "ce_id", "ce_source", "ce_type"}
	properties := object{
		"ce_specversion": object{"const": "1.0"},
		"ce_id":          object{"type": "string", "minLength": 1, "description": m.ID},
		"ce_source":      object{"type": "string", "minLength": 1, "description": m.Source},
		"ce_subject":     object{"type": "string", "description": "The service id, where it is known."},
		"ce_traceparent": object{"type": "string", "description": "W3C Trace Context, where the event was sent with one."},
		"ce_tracestate":  object{"type": "string", "description": "W3C Trace Context."},
		"traceparent":    object{"type": "string", "description": "W3C Trace Context: of the request that brought the event; on what the enricher writes, of the event that made it due."},
		"tracestate":     object{"type": "string", "description": "W3C Trace Context."},
	}
	if m.Type != "" {
		properties["ce_type"] = object{"const": m.Type}
	} else {
		properties["ce_type"] = object{"anyOf": []object{{"enum": types}, {"type": "string", "description": "A type that a later release adds."}}}
	}
	if m.Subject != "" {
		properties["ce_subject"] = object{"type": "string", "minLength": 1, "maxLength": 255, "description": m.Subject}
		required = append(required, "ce_subject")
	}
	if m.Time != "" {
		properties["ce_time"] = object{"type": "string", "format": "date-time", "description": m.Time}
		required = append(required, "ce_time")
	}
	if m.Schema != "" {
		properties["content-type"] = object{"const": "application/avro"}
		required = append(required, "content-type")
	}
	for _, a := range m.Optional {
		p := object{"type": "string", "description": a.Doc}
		if a.Pattern != "" {
			p["pattern"] = a.Pattern
		}
		properties["ce_"+a.Name] = p
	}
	return object{"type": "object", "required": required, "properties": properties}, nil
}
