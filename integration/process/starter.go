package process

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// The kernel kills a child when the thread that started it ends, not the process. So one thread that never
// ends starts them all.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts a command that dies with this process, in a process group of its own: an interrupt meant for the
// test is for the test to pass on.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}
