// A Go program of the oracle's workloads: goroutines, files, a server and client, a child.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	runtime.GOMAXPROCS(4)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-signals

	var group sync.WaitGroup
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			name := fmt.Sprintf("/tmp/oracle-go-%d", i)
			check(os.WriteFile(name, make([]byte, 4096), 0o600))
			_, err := os.ReadFile(name)
			check(err)
			check(os.Remove(name))
			time.Sleep(time.Millisecond)
		}(i)
	}
	group.Wait()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "hello")
		}))
	}()
	answer, err := http.Get("http://" + listener.Addr().String())
	check(err)
	body, err := io.ReadAll(answer.Body)
	check(err)
	output, err := exec.Command("echo", "child").Output()
	check(err)
	runtime.GC()
	fmt.Println(string(body), string(output))
}
