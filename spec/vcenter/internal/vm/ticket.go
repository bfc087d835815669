package vm

// ticket.go: tickets for the console of a VM and for its devices. Nothing answers behind the
// address: this server has no console, and a client that only hands the URL on does not notice.

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
)

var _ = rules.Add(rules.Rule{ID: "vm.ticket", Sure: "documented", As: "laxer: behind a real ticket there is a console", Source: "API reference: VirtualMachine.AcquireTicket (InvalidState), VirtualMachineTicketType: mks, webmks, device, guestControl, guestIntegrity",
	Text: "AcquireTicket gives a ticket of a known type for a running VM; of a VM that is off it is InvalidState. The console behind it does not exist."})

func (r *Service) registerTicket() {
	r.s.Handle("AcquireTicket", func(c *api.Call) (any, *fault.Error) {
		vm, e := r.of(c.This)
		if e != nil {
			return nil, e
		}
		kind := c.Req.(*types.AcquireTicket).TicketType
		if !slices.Contains([]string{"mks", "webmks", "device", "guestControl", "guestIntegrity", "webRemoteDevice"}, kind) {
			return nil, fault.InvalidArgument("ticketType")
		}
		if !vm.on() {
			return nil, fault.InvalidState("The operation is not allowed in the current state of the virtual machine.")
		}
		b := make([]byte, 8)
		if _, err := rand.Read(b); err != nil {
			return nil, fault.From(err)
		}
		t := types.VirtualMachineTicket{Ticket: hex.EncodeToString(b), CfgFile: vm.Config.Files.VmPathName}
		if u, err := url.Parse(r.s.URL); err == nil {
			host, port, _ := net.SplitHostPort(u.Host)
			n, _ := strconv.Atoi(port)
			t.Host, t.Port = host, int32(n)
			if kind == "webmks" {
				t.Url = "wss://" + u.Host + "/ticket/" + t.Ticket
			}
		}
		return &types.AcquireTicketResponse{Returnval: t}, nil
	})
}
