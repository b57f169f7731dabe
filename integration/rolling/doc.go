// Package rolling holds the tests of what Kubernetes does to the services on a good day: it tells them to stop, at any
// moment and under load, and puts others in their place, of the next release or of the one before. Each must drain
// within the grace period of the chart, and nobody may notice. scripts/rolling runs them.
package rolling
