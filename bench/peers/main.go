// Peers for bench/decode.lua, bench/collect.lua and bench/wait.lua.
//
//	peers make FILE N       the answer to RetrievePropertiesEx (config, summary, name, runtime) of a fleet of N VMs,
//	                        as govmomi's simulator writes it
//	peers decode FILE N     decodes it N times as govmomi does; prints the seconds of each pass
//	peers serve VMS HOSTS   govmomi's simulator with so many machines and hosts, for bench/collect.lua
//	peers tasks CA-FILE     a server of tasks only, for bench/wait.lua; its certificate is written to the file
//	peers wait HOST:PORT USER PASSWORD CA VERSION FILE
//	                        waits for the tasks of bench/wait.lua
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const envelope = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`

const login = envelope + `<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this><userName>user</userName><password>pass</password></Login></soapenv:Body></soapenv:Envelope>`

const retrieve = envelope + `<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this>
<specSet><propSet><type>VirtualMachine</type><pathSet>config</pathSet><pathSet>summary</pathSet><pathSet>name</pathSet><pathSet>runtime</pathSet></propSet>
<objectSet><obj type="Folder">group-d1</obj><skip>true</skip>
<selectSet xsi:type="TraversalSpec"><name>v</name><type>Folder</type><path>childEntity</path><selectSet><name>v</name></selectSet><selectSet><name>d</name></selectSet></selectSet>
<selectSet xsi:type="TraversalSpec"><name>d</name><type>Datacenter</type><path>vmFolder</path><selectSet><name>v</name></selectSet></selectSet>
</objectSet></specSet><options></options></RetrievePropertiesEx></soapenv:Body></soapenv:Envelope>`

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// makeAnswer creates a few machines and repeats their objects, because creating thousands takes minutes.
func makeAnswer(file string, count int) {
	model := simulator.VPX()
	model.Cluster, model.Host, model.Machine = 1, 0, 20
	check(model.Create())
	server := model.Service.NewServer()
	defer server.Close()
	url := *server.URL
	url.User = nil
	post := func(body string, cookies []*http.Cookie) ([]byte, []*http.Cookie) {
		request, err := http.NewRequest("POST", url.String(), bytes.NewBufferString(body))
		check(err)
		request.Header.Set("SOAPAction", "urn:vim25/6.5")
		for _, c := range cookies {
			request.AddCookie(c)
		}
		answer, err := http.DefaultClient.Do(request)
		check(err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		check(err)
		return text, answer.Cookies()
	}
	_, cookies := post(login, nil)
	text, _ := post(retrieve, cookies)
	open, end := []byte("<objects>"), []byte("</returnval>")
	first, last := bytes.Index(text, open), bytes.LastIndex(text, end)
	if first < 0 || last < 0 {
		check(fmt.Errorf("the simulator's answer has no objects"))
	}
	objects := bytes.SplitAfter(text[first:last], []byte("</objects>"))
	objects = objects[:len(objects)-1]
	var out bytes.Buffer
	out.Write(text[:first])
	for i := 0; i < count; i++ {
		// the names differ, so that no decoder profits from equal text more than a real fleet lets it
		name := []byte(fmt.Sprintf("DC0_C0_RP0_X%d", i))
		out.Write(bytes.ReplaceAll(objects[i%len(objects)], []byte(fmt.Sprintf("DC0_C0_RP0_VM%d", i%len(objects))), name))
	}
	out.Write(text[last:])
	check(os.WriteFile(file, out.Bytes(), 0o644))
}

// decodeOnce reads one answer as govmomi's client does.
func decodeOnce(text []byte, body any, filled func() bool) {
	envelope := soap.Envelope{Body: body}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	decoder.TypeFunc = types.TypeFunc()
	check(decoder.Decode(&envelope))
	if !filled() {
		check(fmt.Errorf("govmomi decoded nothing"))
	}
}

// decodeAnswer decodes a short answer many times a pass, so that the clock has something to measure.
func decodeAnswer(file string, passes int) {
	text, err := os.ReadFile(file)
	check(err)
	inner := max(1, 2_000_000/len(text))
	update := bytes.Contains(text, []byte("WaitForUpdatesExResponse"))
	for range passes {
		start := time.Now()
		for range inner {
			if update {
				body := methods.WaitForUpdatesExBody{}
				decodeOnce(text, &body, func() bool { return body.Res != nil && len(body.Res.Returnval.FilterSet) > 0 })
			} else {
				body := methods.RetrievePropertiesExBody{}
				decodeOnce(text, &body, func() bool { return body.Res != nil && len(body.Res.Returnval.Objects) > 0 })
			}
		}
		fmt.Printf("%.9f\n", time.Since(start).Seconds()/float64(inner))
	}
}

func main() {
	if len(os.Args) == 8 && os.Args[1] == "wait" {
		waitTasks(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], os.Args[7])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "tasks" {
		serveTasks(os.Args[2])
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: peers make|decode FILE N, or peers serve VMS HOSTS, or peers tasks CA-FILE, or peers wait ...")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[3])
	check(err)
	switch os.Args[1] {
	case "make":
		makeAnswer(os.Args[2], n)
	case "decode":
		decodeAnswer(os.Args[2], n)
	case "serve":
		machines, err := strconv.Atoi(os.Args[2])
		check(err)
		serve(machines, n)
	default:
		fmt.Fprintln(os.Stderr, "usage: peers make|decode FILE N, or peers serve VMS HOSTS, or peers tasks CA-FILE, or peers wait ...")
		os.Exit(2)
	}
}
