package guest

// shell.go runs shell text for a Linux guest. The interpreter is a Go library; every file it
// opens is mapped into the guest's directory and every program it starts is one of ours, or
// a script in the guest. So a script behaves as in the guest and cannot touch this computer.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// linuxRun is the surroundings of one program.
type linuxRun struct {
	m              *Machine
	ctx            context.Context
	user           string
	dir            string // on this computer
	env            expand.Environ
	stdin          io.Reader
	stdout, stderr io.Writer
}

// runLinux is StartProgramInGuest: Tools hand "path arguments" to bash.
func (m *Machine) runLinux(ctx context.Context, user string, p Program) int {
	m.mu.Lock()
	env := m.linuxEnv(user)
	m.mu.Unlock()
	if len(p.Env) > 0 { // they replace the whole environment
		env = map[string]string{}
		for _, e := range p.Env {
			k, v, _ := strings.Cut(e, "=")
			env[k] = v
		}
	}
	dir := "/"
	if p.Dir != "" {
		dir = p.Dir
	} else if h := env["HOME"]; h != "" && m.existsLocked(h) {
		dir = h
	}
	return m.bash(ctx, user, quote(p.Path)+" "+p.Args, dir, env, nil, io.Discard, io.Discard)
}

func (m *Machine) existsLocked(p string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.exists(p)
}

// shell runs a line and collects its output.
func (m *Machine) shell(ctx context.Context, line, user string) (string, int) {
	var out bytes.Buffer
	m.mu.Lock()
	env := m.linuxEnv(user)
	m.mu.Unlock()
	code := m.bash(ctx, user, line, "/", env, nil, &out, &out)
	return out.String(), code
}

func (m *Machine) bash(ctx context.Context, user, text, dir string, env map[string]string, stdin io.Reader, stdout, stderr io.Writer) int {
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	w := &rewriter{root: m.root()}
	r := &linuxRun{m: m, ctx: ctx, user: user, env: expand.ListEnviron(list...), stdin: stdin,
		stdout: w.wrap(stdout), stderr: w.wrap(stderr)}
	h := filepath.Join(m.root(), path.Clean("/"+dir))
	if st, err := os.Stat(h); err != nil || !st.IsDir() {
		return 126
	}
	r.dir = h
	return r.script(text, "bash", nil)
}

// rewriter takes the name of the guest's directory out of what programs print.
type rewriter struct{ root string }

type rewritten struct {
	w    io.Writer
	root []byte
}

func (r *rewriter) wrap(w io.Writer) io.Writer { return &rewritten{w, []byte(r.root)} }

func (r *rewritten) Write(b []byte) (int, error) {
	clean := bytes.ReplaceAll(bytes.ReplaceAll(b, append(bytes.Clone(r.root), '/'), []byte("/")), r.root, []byte("/"))
	if _, err := r.w.Write(clean); err != nil {
		return 0, err
	}
	return len(b), nil
}

// at maps a path of the script to this computer.
func (r *linuxRun) at(dir, p string) string {
	root := r.m.root()
	if !strings.HasPrefix(p, "/") {
		p = dir + "/" + p
	}
	if rest, ok := strings.CutPrefix(p, root); ok && (rest == "" || rest[0] == '/') {
		p = rest
	}
	return filepath.Join(root, path.Clean("/"+p))
}

// script interprets shell text with positional parameters.
func (r *linuxRun) script(text, name string, params []string) int {
	if v := runInstaller(text); v != "" {
		return r.setupRun(v, params)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
	if err != nil {
		io.WriteString(r.stderr, err.Error()+"\n")
		return 2
	}
	// the interpreter would fill in the user and the home of the account that runs this server
	r.m.mu.Lock()
	id := fmt.Sprint(r.m.uid(r.user))
	r.m.mu.Unlock()
	own := []string{"UID=" + id, "EUID=" + id, "GID=" + id}
	if !r.env.Get("HOME").IsSet() {
		own = append(own, "HOME=")
	}
	run, err := interp.New(
		interp.Env(with(r.env, own)), interp.StdIO(r.stdin, r.stdout, r.stderr), interp.Dir(r.dir),
		interp.Params(append([]string{"--"}, params...)...),
		interp.CallHandler(r.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return r.exec }),
		interp.OpenHandler(func(ctx context.Context, p string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
			if p == "/dev/null" {
				return os.OpenFile(os.DevNull, flag&^os.O_TRUNC, 0)
			}
			h := r.at(r.here(ctx), p)
			write := flag&(os.O_WRONLY|os.O_RDWR) != 0
			if err := r.m.Access(r.user, h, write); err != nil {
				return nil, &fs.PathError{Op: "open", Path: p, Err: syscall.EACCES}
			}
			_, missing := os.Lstat(h)
			f, err := os.OpenFile(h, flag, perm)
			if err == nil && write && missing != nil {
				r.m.Own(r.user, h)
			}
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = &fs.PathError{Op: pe.Op, Path: p, Err: pe.Err}
			}
			if err != nil {
				return nil, err
			}
			return f, nil
		}),
		interp.ReadDirHandler2(func(ctx context.Context, p string) ([]fs.DirEntry, error) {
			h := r.at(r.here(ctx), p)
			if err := r.m.Access(r.user, h, false); err != nil {
				return nil, &fs.PathError{Op: "open", Path: p, Err: syscall.EACCES}
			}
			return os.ReadDir(h)
		}),
		interp.StatHandler(func(ctx context.Context, p string, follow bool) (fs.FileInfo, error) {
			if p == "/dev/null" {
				return os.Stat(p)
			}
			if follow {
				return os.Stat(r.at(r.here(ctx), p))
			}
			return os.Lstat(r.at(r.here(ctx), p))
		}),
	)
	if err != nil {
		io.WriteString(r.stderr, err.Error()+"\n")
		return 126
	}
	err = run.Run(r.ctx, file)
	var code interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case r.ctx.Err() != nil:
		return 137
	}
	io.WriteString(r.stderr, "bash: "+err.Error()+"\n")
	return 1
}

// here is the script's directory; the interpreter asks for some files without a context of
// its own, and names them absolutely then.
func (r *linuxRun) here(ctx context.Context) (dir string) {
	defer func() {
		if recover() != nil {
			dir = r.dir
		}
	}()
	return interp.HandlerCtx(ctx).Dir
}

// call turns the built-ins that look at files by themselves to the guest's directory.
func (r *linuxRun) call(ctx context.Context, args []string) ([]string, error) {
	dir := interp.HandlerCtx(ctx).Dir
	switch args[0] {
	case "cd", "pushd", ".", "source":
		out := append([]string(nil), args...)
		for i := 1; i < len(out); i++ {
			if strings.HasPrefix(out[i], "/") {
				out[i] = r.at(dir, out[i])
			}
		}
		if args[0] == "cd" && len(args) == 1 {
			out = append(out, r.at(dir, interp.HandlerCtx(ctx).Env.Get("HOME").String()))
		}
		return out, nil
	case "test", "[":
		out := append([]string(nil), args...)
		for i := 1; i+1 < len(out); i++ {
			if out[i] == "-x" || out[i] == "-r" || out[i] == "-w" {
				out[i+1] = r.at(dir, out[i+1])
				if out[i] != "-x" && r.m.Access(r.user, out[i+1], out[i] == "-w") != nil {
					out[i+1] = r.at("/", "/proc/no-such-file")
				}
			}
		}
		return out, nil
	case "pwd":
		return []string{"\x00pwd"}, nil
	case "command", "type", "hash":
		if len(args) == 3 && (args[1] == "-v" || args[1] == "-V" || args[1] == "-p") {
			return []string{"\x00which", args[2]}, nil
		}
		if len(args) == 2 && args[0] != "command" {
			return []string{"\x00which", args[1]}, nil
		}
	}
	return args, nil
}

// exec starts a program of the guest.
func (r *linuxRun) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	n := *r
	n.ctx, n.dir, n.env, n.stdout, n.stderr = ctx, hc.Dir, hc.Env, hc.Stdout, hc.Stderr
	n.stdin = hc.Stdin
	if u, ok := ctx.Value(userKey{}).(string); ok {
		n.user = u
	}
	if code := n.start(args); code != 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return interp.ExitStatus(uint8(code))
	}
	return nil
}

type userKey struct{}

// find looks a program up as execvp does; the result is a guest path.
func (r *linuxRun) find(name string) (string, bool) {
	ok := func(p string) bool {
		st, err := os.Stat(r.at(r.dir, p))
		return err == nil && !st.IsDir() && st.Mode()&0o111 != 0
	}
	if strings.Contains(name, "/") {
		return name, ok(name)
	}
	pathVar := r.env.Get("PATH").String()
	if pathVar == "" {
		pathVar = "/usr/bin:/bin"
	}
	for _, d := range strings.Split(pathVar, ":") {
		if p := d + "/" + name; ok(p) {
			return p, true
		}
	}
	return "", false
}

// start runs a program by name: one of ours, or a script.
func (r *linuxRun) start(args []string) int {
	name := args[0]
	switch name {
	case "\x00pwd":
		p := strings.TrimPrefix(r.dir, r.m.root())
		if p == "" {
			p = "/"
		}
		io.WriteString(r.stdout, p+"\n")
		return 0
	case "\x00which":
		if interp.IsBuiltin(args[1]) {
			io.WriteString(r.stdout, args[1]+"\n")
			return 0
		}
		if p, ok := r.find(args[1]); ok {
			io.WriteString(r.stdout, p+"\n")
			return 0
		}
		return 1
	}
	p, ok := r.find(name)
	if !ok {
		if strings.Contains(name, "/") {
			st, err := os.Stat(r.at(r.dir, name))
			switch {
			case err == nil && st.IsDir():
				io.WriteString(r.stderr, "bash: "+name+": Is a directory\n")
				return 126
			case err == nil:
				io.WriteString(r.stderr, "bash: "+name+": Permission denied\n")
				return 126
			}
			io.WriteString(r.stderr, "bash: "+name+": No such file or directory\n")
		} else {
			io.WriteString(r.stderr, "bash: "+name+": command not found\n")
			r.m.unsupported("%s: command not found", name)
		}
		return 127
	}
	if r.m.Access(r.user, r.at(r.dir, p), false) != nil {
		io.WriteString(r.stderr, "bash: "+name+": Permission denied\n")
		return 126
	}
	content, err := os.ReadFile(r.at(r.dir, p))
	if err != nil {
		io.WriteString(r.stderr, "bash: "+name+": "+err.Error()+"\n")
		return 126
	}
	if applet, ok := strings.CutPrefix(string(content), program); ok {
		applet = strings.TrimSpace(applet)
		f := linuxPrograms[applet]
		if f == nil {
			io.WriteString(r.stderr, "bash: "+name+": cannot execute binary file: Exec format error\n")
			return 126
		}
		return f(r, append([]string{applet}, args[1:]...))
	}
	if bytes.IndexByte(content[:min(len(content), 80)], 0) >= 0 || bytes.HasPrefix(content, []byte("MZ")) {
		io.WriteString(r.stderr, "bash: "+name+": cannot execute binary file: Exec format error\n")
		return 126
	}
	if line, _, _ := strings.Cut(string(content), "\n"); strings.HasPrefix(line, "#!") {
		words := strings.Fields(line[2:])
		if len(words) > 0 && path.Base(words[0]) == "env" {
			words = words[1:]
		}
		if len(words) == 0 || !isShell(path.Base(words[0])) {
			r.m.unsupported("scripts for %s", strings.Join(words, " "))
			io.WriteString(r.stderr, "bash: "+name+": "+strings.Join(words, " ")+": bad interpreter: No such file or directory\n")
			return 126
		}
	}
	return r.script(string(content), name, args[1:])
}

func isShell(s string) bool { return s == "sh" || s == "bash" || s == "dash" }
