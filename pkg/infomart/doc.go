// Package infomart gives UserEvents the shape of Genesys Info Mart: CALLBACK_FACT,
// its dimensions, and the ICON rows of their KVPs. The mapping is pure; the
// databases are in the packages postgres and sqlite below it, and the suite that
// both pass is in storetest.
package infomart

//go:generate go run ./ddl/generate
