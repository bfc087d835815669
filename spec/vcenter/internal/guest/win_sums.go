package guest

// win_sums.go: certutil -hashfile FILE [SHA256] (rule windows.certutil).

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"strings"
)

// certutilSays are its lines, by the system's language; the digits between them are not translated.
var certutilSays = map[string][2]string{
	"":   {"%s hash of %s:\n", "CertUtil: -hashfile command completed successfully.\n"},
	"de": {"%s-Hash von %s:\n", "CertUtil: -hashfile-Befehl wurde erfolgreich ausgef\u00fchrt.\n"},
}

// In a file after win_programs.go, whose init makes the map.
func init() { windowsPrograms["certutil"] = runCertutil }

func runCertutil(w *winRun, args string) int {
	words := fields(args)
	if len(words) < 2 || len(words) > 3 || !strings.EqualFold(words[0], "-hashfile") {
		w.m.unsupported("certutil %s", args)
		return w.fail(1, "certutil: this action is not supported in this guest\n")
	}
	kind, sum := "SHA1", hash.Hash(sha1.New())
	if len(words) == 3 {
		if kind = strings.ToUpper(words[2]); kind != "SHA256" {
			w.m.unsupported("certutil %s", args)
			return w.fail(1, "certutil: this algorithm is not supported in this guest\n")
		}
		sum = sha256.New()
	}
	data, err := []byte(nil), os.ErrNotExist
	if path := w.host(words[1]); path != "" {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		w.out("CertUtil: -hashfile command FAILED: 0x80070002 (WIN32: 2 ERROR_FILE_NOT_FOUND)\nCertUtil: The system cannot find the file specified.\n")
		return -2147024894
	}
	sum.Write(data)
	w.m.mu.Lock()
	says, ok := certutilSays[w.m.language]
	w.m.mu.Unlock()
	if !ok {
		says = certutilSays[""]
	}
	w.out("%s", fmt.Sprintf(says[0], kind, words[1])+fmt.Sprintf("%x\n", sum.Sum(nil))+says[1])
	return 0
}
