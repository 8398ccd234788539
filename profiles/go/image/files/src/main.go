// A static HTTP service and its own load tool, for an image that holds nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const address = "127.0.0.1:8080"

// serve until SIGTERM, and let what was asked before it be answered.
func serve() error {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) { io.WriteString(answer, "hello\n") })
	http.HandleFunc("/file", func(answer http.ResponseWriter, request *http.Request) {
		http.ServeFile(answer, request, "/app")
	})
	server := http.Server{Addr: address}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-asked.Done()
		ended <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

func get(path string) error {
	answer, err := http.Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// load gets path count times, eight at a time.
func load(path string, count int) error {
	var workers sync.WaitGroup
	failures := make(chan error, 8)
	began := time.Now()
	for worker := 0; worker < 8; worker++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := 0; number < count/8; number++ {
				if err := get(path); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	workers.Wait()
	close(failures)
	for err := range failures {
		return err
	}
	fmt.Printf("Requests per second: %.0f\n", float64(count)/time.Since(began).Seconds())
	return nil
}

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve()
	case len(os.Args) == 4 && os.Args[1] == "load":
		count, _ := strconv.Atoi(os.Args[3])
		err = load(os.Args[2], count)
	default:
		err = fmt.Errorf("usage: app serve | load PATH COUNT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
