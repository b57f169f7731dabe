// Package callback is the domain of Genesys Callback historical reporting: the
// lifecycle events of a callback session, the KVPs that Info Mart knows, and the
// UserEvents and attached data that carry them.
//
// It is pure: nothing here knows of Kafka, SQL or HTTP.
package callback
