package beside_test

import (
	"encoding/json"
	"strings"
	"testing"

	"gpupt.test/vcenter/internal/vcenter"
	"gpupt.test/vcenter/internal/vctest"
)

func TestTagsBelowAPI(t *testing.T) {
	vctest.Breaks(t, "beside.api-tagging")
	s := vctest.Start(t, vcenter.Options{})
	c := login(t, s, vctest.User, vctest.Password)
	rack := c.category("rack", "SINGLE", "HostSystem")
	r1 := c.tag("r1", rack)
	host := strings.TrimPrefix(s.Login(t).Find("DC0/host/gpu-a/esx-a-1"), "HostSystem:")
	object := `{"id":"` + host + `","type":"HostSystem"}`
	c.value("POST", tagging+"tag-association/id:"+r1+"?~action=attach", `{"object_id":`+object+`}`, nil)

	const path = "/api/cis/tagging/"
	read := func(method, rest, body string, into any) {
		t.Helper()
		status, text, _ := c.send(method, path+rest, body)
		if err := json.Unmarshal([]byte(text), into); status != 200 || err != nil {
			t.Fatal(method, rest, status, text, err)
		}
	}
	var ids []string
	if read("GET", "category", "", &ids); len(ids) != 1 || ids[0] != rack {
		t.Fatal(ids)
	}
	var one struct {
		Name     string
		Category string `json:"category_id"`
	}
	if read("GET", "category/"+rack, "", &one); one.Name != "rack" {
		t.Fatal(one)
	}
	if read("GET", "tag/"+r1, "", &one); one.Name != "r1" || one.Category != rack {
		t.Fatal(one)
	}
	var attached []struct {
		Object struct{ ID, Type string } `json:"object_id"`
		Tags   []string                  `json:"tag_ids"`
	}
	read("POST", "tag-association?action=list-attached-tags-on-objects", `{"object_ids":[`+object+`]}`, &attached)
	if len(attached) != 1 || attached[0].Object.ID != host || len(attached[0].Tags) != 1 || attached[0].Tags[0] != r1 {
		t.Fatal(attached)
	}
	for _, x := range []struct {
		status             int
		method, rest, body string
	}{
		{404, "GET", "tag/urn:vmomi:InventoryServiceTag:none:GLOBAL", ""}, {404, "GET", "labels", ""}, {404, "DELETE", "tag/" + r1, ""},
		{404, "POST", "tag-association?action=eat", "{}"}, {400, "POST", "tag-association?action=list-attached-tags-on-objects", "{}"},
	} {
		status, text, _ := c.send(x.method, path+x.rest, x.body)
		if status != x.status || !strings.Contains(text, `"error_type"`) {
			t.Fatal(x, status, text)
		}
	}
	c.id = ""
	if status, _, _ := c.send("GET", path+"tag", ""); status != 401 {
		t.Fatal(status)
	}
}
