// Package schemas holds the Avro schemas of every topic, each released version of each.
package schemas

import "embed"

// FS holds avro/<name>/v<version>.avsc.
//
//go:embed avro
var FS embed.FS
