// Package process runs the services, and handles the real parts beside them, as processes of their own: it starts
// them, waits until they say that they are ready, stops, pauses and kills them, starts them again, and keeps what
// they print. It ends only what it started, and what it started ends with the process that started it, however that
// ends (Linux: PDEATHSIG).
package process
