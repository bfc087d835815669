package main

// wait.go: govmomi's part of bench/wait.lua: each task is waited for as govmomi does it, by a wait of its own.

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func processor() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// waitTasks logs in, says "ready", waits for the tasks whose ids stand in a file, and prints the CPU seconds and then,
// for each task, the seconds from its completeTime to the notice.
func waitTasks(host, user, password, authorities, version, path string) {
	ctx := context.Background()
	address := &url.URL{Scheme: "https", Host: host, Path: "/sdk"}
	transport := soap.NewClient(address, false)
	check(transport.SetRootCAs(authorities))
	transport.Version = version
	vim, err := vim25.NewClient(ctx, transport)
	check(err)
	client := &govmomi.Client{Client: vim, SessionManager: session.NewManager(vim)}
	check(client.Login(ctx, url.UserPassword(user, password)))
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	var ids []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		ids = append(ids, lines.Text())
	}
	fmt.Println("ready")
	late := make([]float64, len(ids))
	from := processor()
	var all sync.WaitGroup
	for i, id := range ids {
		all.Add(1)
		go func() {
			defer all.Done()
			task := object.NewTask(vim, types.ManagedObjectReference{Type: "Task", Value: id})
			info, err := task.WaitForResult(ctx, nil)
			now := time.Now()
			check(err)
			late[i] = now.Sub(*info.CompleteTime).Seconds()
		}()
	}
	all.Wait()
	fmt.Printf("%.6f\n", processor()-from)
	for _, seconds := range late {
		fmt.Printf("%.6f\n", seconds)
	}
	check(client.Logout(ctx))
}
