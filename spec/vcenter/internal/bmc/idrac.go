package bmc

// idrac.go: the job queue of an iDRAC.

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func (b *BMC) clearPath() string {
	return b.settingsPath() + "/Actions/Oem/DellManager.ClearPending"
}

func (b *BMC) idrac(w http.ResponseWriter, r *http.Request, path string, body map[string]any) *problem {
	jobs, service := b.jobPaths()
	switch path {
	case jobs:
		if p := allow(r, "GET", "POST"); p != nil {
			return p
		}
		if r.Method == "POST" {
			return b.newJob(w, body)
		}
		return b.jobPage(w, r, jobs)
	case service:
		if p := allow(r, "POST"); p != nil {
			return p
		}
		return b.deleteJob(w, body)
	case b.clearPath():
		if p := allow(r, "POST"); p != nil {
			return p
		}
		if b.waiting() {
			return bad(400, "SYS011", "Pending configuration values are already committed, unable to perform another set operation.")
		}
		b.pending = map[string]any{}
		b.tag++
		reply(w, 200, nil)
		return nil
	}
	for _, j := range b.jobs {
		state := j.state(b.now())
		text, id := said[state][0], said[state][1]
		switch path {
		case jobs + "/" + j.id:
			if p := allow(r, "GET"); p != nil {
				return p
			}
			reply(w, 200, b.job(j, path))
			return nil
		case root + "/TaskService/Tasks/" + j.id:
			if p := allow(r, "GET"); p != nil {
				return p
			}
			task := map[string]string{"New": "New", "Scheduled": "Starting", "Completed": "Completed", "Failed": "Exception"}[state]
			reply(w, 200, map[string]any{"@odata.id": path, "Id": j.id, "TaskState": task, "Messages": []any{message(id, text)}})
			return nil
		}
	}
	return unknown(path)
}

var said = map[string][2]string{"New": {"New job", "JCP000"}, "Scheduled": {"Task successfully scheduled.", "JCP001"},
	"Completed": {"Job completed successfully.", "PR19"}, "Failed": {"Job failed.", "PR21"}}

func (b *BMC) job(j *job, path string) map[string]any {
	state := j.state(b.now())
	return map[string]any{"@odata.id": path, "Id": j.id, "Name": "Configure: BIOS.Setup.1-1", "JobType": "BIOSConfiguration",
		"JobState": state, "Message": said[state][0], "MessageId": said[state][1]}
}

const page = 50

// jobPage lists jobs, a page at a time; whole ones for $expand.
func (b *BMC) jobPage(w http.ResponseWriter, r *http.Request, jobs string) *problem {
	expand := r.URL.Query().Get("$expand")
	if expand != "" && (!b.m.applyTimes || expand != "*($levels=1)") {
		return bad(400, "QueryNotSupported", "Querying is not supported by the implementation.")
	}
	skip, _ := strconv.Atoi(r.URL.Query().Get("$skip"))
	list := []any{}
	for i := skip; i < len(b.jobs) && i < skip+page; i++ {
		path := jobs + "/" + b.jobs[i].id
		if expand != "" {
			list = append(list, b.job(b.jobs[i], path))
		} else {
			list = append(list, link(path))
		}
	}
	v := map[string]any{"@odata.id": jobs, "Name": "Jobs", "Members": list, "Members@odata.count": len(b.jobs)}
	if skip+page < len(b.jobs) {
		next := url.Values{"$skip": {strconv.Itoa(skip + page)}}
		if expand != "" {
			next.Set("$expand", expand)
		}
		v["Members@odata.nextLink"] = jobs + "?" + next.Encode()
	}
	reply(w, 200, v)
	return nil
}

// jobPaths are those of the job queue and of the action that deletes jobs: other ones since iDRAC 9.
func (b *BMC) jobPaths() (jobs, service string) {
	const action = "/DellJobService/Actions/DellJobService.DeleteJobQueue"
	if b.m.applyTimes {
		return b.managerPath() + "/Oem/Dell/Jobs", b.managerPath() + "/Oem/Dell" + action
	}
	return b.managerPath() + "/Jobs", root + "/Dell/Managers/" + b.m.manager + action
}

func (b *BMC) newJob(w http.ResponseWriter, body map[string]any) *problem {
	if body["TargetSettingsURI"] != b.settingsPath() {
		return bad(400, "PropertyValueNotInList", "TargetSettingsURI %v is not a settings resource.", body["TargetSettingsURI"])
	}
	if b.waiting() {
		return bad(400, "SYS011", "Pending configuration values are already committed, unable to perform another set operation.")
	}
	if len(b.pending) == 0 {
		return bad(400, "SYS409", "No pending configuration values to be committed.")
	}
	j := b.addJob()
	w.Header().Set("Location", b.location(b.managerPath()+"/Jobs/"+j.id))
	reply(w, 200, nil)
	return nil
}

func (b *BMC) deleteJob(w http.ResponseWriter, body map[string]any) *problem {
	id, _ := body["JobID"].(string)
	for i, j := range b.jobs {
		if j.id == id || strings.HasPrefix(id, "JID_CLEARALL") {
			b.jobs = append(b.jobs[:i:i], b.jobs[i+1:]...)
			reply(w, 200, map[string]any{"@Message.ExtendedInfo": []any{message("IDRAC.2.8.SUP020", "The specified job was deleted.")}})
			return nil
		}
	}
	return bad(400, "SUP023", "The specified job does not exist.")
}
