package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// defaultCompatibility is what a new registry demands: each version can read, and be read by, every other.
const defaultCompatibility = "FULL_TRANSITIVE"

var levels = []string{"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", defaultCompatibility}

// compatible lists why schema may not follow the earlier versions under that level; nil where it may.
func compatible(level, schema string, earlier []earlierSchema) ([]string, error) {
	next, err := avro.Parse(schema)
	if err != nil {
		return nil, err
	}
	if level == "NONE" {
		return nil, nil
	}
	if !strings.HasSuffix(level, "_TRANSITIVE") && len(earlier) > 1 {
		earlier = earlier[len(earlier)-1:]
	}
	var reasons []string
	for _, e := range slices.Backward(earlier) {
		old, err := avro.Parse(e.schema)
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", e.version, err)
		}
		if !strings.HasPrefix(level, "FORWARD") {
			if err := avro.CheckCompatibility(old, next); err != nil {
				reasons = append(reasons, fmt.Sprintf("the new schema cannot read version %d: %v", e.version, err))
			}
		}
		if !strings.HasPrefix(level, "BACKWARD") {
			if err := avro.CheckCompatibility(next, old); err != nil {
				reasons = append(reasons, fmt.Sprintf("version %d cannot read the new schema: %v", e.version, err))
			}
		}
	}
	return reasons, nil
}

// earlierSchema is a version to check against.
type earlierSchema struct {
	version int
	schema  string
}

func (s *state) earlier(sub *subject) []earlierSchema {
	var out []earlierSchema
	for _, v := range sub.live(false) {
		schema, _ := s.schema(v.ID)
		out = append(out, earlierSchema{v.Version, schema})
	}
	return out
}
