package guest

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// What a script uses that is not simulated is reported, so that the script does not pass as tested.
func TestWhatIsUnsupportedIsReported(t *testing.T) {
	var told []string
	listen := func(m *Machine) *Machine {
		m.Note = func(kind, text string) {
			if kind == "guest-unsupported" {
				told = append(told, text)
			}
		}
		return m
	}
	m := listen(linuxBox(t))
	want := []string{}
	for _, x := range []struct{ line, say string }{
		{"lspci -d 10de: | wc -l; cat /etc/hostname", ""},
		{"python3 -c 'print(1)'", "python3: command not found"},
		{"lspci -t", "lspci -t"},
		{"find /etc -exec ls {} +", "find: -exec"},
		{"sudo -n update-grub", "update-grub has no effect"},
		{"systemctl disable ssh", "systemctl disable ssh has no effect"},
	} {
		told = nil
		if _, code := m.shell(context.Background(), x.line, "root"); code == 0 && strings.Contains(x.say, "not") {
			t.Errorf("%s succeeded", x.line)
		}
		if got := strings.Join(told, "|"); !strings.HasPrefix(got, x.say) || (x.say == "") != (got == "") {
			t.Errorf("%s: reported %q, not %q", x.line, got, x.say)
		}
		want = append(want, told...)
	}
	if _, code := m.shell(context.Background(), "python3 x", "root"); code != 127 {
		t.Errorf("an unknown command ended with %d", code)
	}
	if got := m.Unsupported(); !slices.Equal(got, want) {
		t.Errorf("listed %q, reported %q", got, want)
	}
	w := listen(windowsBox(t))
	told = nil
	w.commandLine(context.Background(), `cmd /c wevtutil el`, "Administrator")
	w.commandLine(context.Background(), `powershell -Command "Get-WinEvent -LogName System; Get-Service VMTools -ComputerName x; Get-Item C:\Windows -ErrorAction Stop"`, "Administrator")
	if got := strings.Join(told, "|"); got != "wevtutil: not recognized by cmd.exe|Get-WinEvent: not recognized by PowerShell|get-service -computername has no effect" {
		t.Errorf("Windows: %q", got)
	}
}
