module github.com/ringback/ringback/services/ringback

go 1.26.0

require (
	github.com/ringback/ringback/pkg v0.0.0
	github.com/ringback/ringback/services/enricher v0.0.0
	github.com/ringback/ringback/services/producer v0.0.0
	github.com/ringback/ringback/services/sink v0.0.0
	github.com/ringback/ringback/services/tserver v0.0.0
)

replace (
	github.com/ringback/ringback/pkg => ../../pkg
	github.com/ringback/ringback/schemas => ../../schemas
	github.com/ringback/ringback/services/enricher => ../enricher
	github.com/ringback/ringback/services/producer => ../producer
	github.com/ringback/ringback/services/sink => ../sink
	github.com/ringback/ringback/services/tserver => ../tserver
)
