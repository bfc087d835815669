package front

// sessions.go: the methods of ServiceInstance and SessionManager.

import (
	"fmt"
	"regexp"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/api"
	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/rules"
	"gpupt.test/vcenter/internal/session"
)

var (
	_ = rules.Add(rules.Rule{ID: "session.no-access", Sure: "documented", As: "real", Source: "API reference: SessionManager.Login: NoPermission if the user and password are valid, but the user has no access granted",
		Text: "A user with no permission anywhere cannot log in: NoPermission. A wrong password is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "session.locale", Sure: "documented", As: "stricter: the languages of a real one depend on what is installed; here they are a fixed list", Source: "API reference: SessionManager.Login, SetLocale: InvalidLocale; none for the list",
		Text: "A locale of an unknown language is InvalidLocale."})
)

// outOfSessions is not a vim25 fault: it becomes HTTP 503.
type outOfSessions struct{ types.RuntimeFault }

func (f *Front) sessionMethods() {
	s := f.S
	s.Handle("RetrieveServiceContent", func(c *api.Call) (any, *fault.Error) {
		if c.This.Value != "ServiceInstance" {
			return nil, fault.NotFound(c.This)
		}
		return &types.RetrieveServiceContentResponse{Returnval: f.W.Content}, nil
	}, api.ReadOnly(), api.NoLogin())
	s.Handle("CurrentTime", func(c *api.Call) (any, *fault.Error) {
		return &types.CurrentTimeResponse{Returnval: time.Now()}, nil
	}, api.ReadOnly())
	s.Handle("Login", f.login, api.NoLogin())
	s.Handle("LoginByToken", f.loginByToken, api.NoLogin())
	s.Handle("CloneSession", f.cloneSession, api.NoLogin())
	s.Handle("AcquireCloneTicket", func(c *api.Call) (any, *fault.Error) {
		return &types.AcquireCloneTicketResponse{Returnval: c.S.Sessions.Ticket(c.Session)}, nil
	}, api.Unlocked(), api.Needs("System.View"))
	for _, m := range []string{"LoginExtensionByCertificate", "LoginBySSPI"} {
		s.Handle(m, func(c *api.Call) (any, *fault.Error) { return nil, fault.New(&types.InvalidLogin{}) }, api.NoLogin())
	}
	s.Handle("Logout", func(c *api.Call) (any, *fault.Error) {
		c.S.Sessions.Logout(c.Session)
		return &types.LogoutResponse{}, nil
	}, api.Unlocked())
	s.Handle("SessionIsActive", func(c *api.Call) (any, *fault.Error) {
		req := c.Req.(*types.SessionIsActive)
		for _, u := range c.S.Sessions.List() {
			if u.Key == req.SessionID && u.UserName == req.UserName {
				return &types.SessionIsActiveResponse{Returnval: true}, nil
			}
		}
		return &types.SessionIsActiveResponse{}, nil
	}, api.ReadOnly(), api.Needs("Sessions.ValidateSession"))
	s.Handle("TerminateSession", func(c *api.Call) (any, *fault.Error) {
		for _, key := range c.Req.(*types.TerminateSession).SessionId {
			if key == c.Session.Key {
				return nil, fault.InvalidArgument("sessionId")
			}
			if !c.S.Sessions.Terminate(key) {
				return nil, fault.New(&types.NotFound{})
			}
		}
		return &types.TerminateSessionResponse{}, nil
	}, api.Unlocked(), api.Needs("Sessions.TerminateSession"))
	s.Handle("SetLocale", func(c *api.Call) (any, *fault.Error) {
		if e := locale(c.Req.(*types.SetLocale).Locale); e != nil {
			return nil, e
		}
		c.Session.Locale = c.Req.(*types.SetLocale).Locale
		return &types.SetLocaleResponse{}, nil
	})
	s.Handle("RefreshDatastore", func(c *api.Call) (any, *fault.Error) {
		if f.W.Reg.Get(c.This) == nil {
			return nil, fault.NotFound(c.This)
		}
		f.W.Volumes()
		return &types.RefreshDatastoreResponse{}, nil
	})
	s.Handle("CreateTask", f.createTask)
	f.registerOpened()
	s.Handle("CancelTask", func(c *api.Call) (any, *fault.Error) {
		if e := c.S.Tasks.Cancel(c.This); e != nil {
			return nil, e
		}
		return &types.CancelTaskResponse{}, nil
	})
}

func (f *Front) login(c *api.Call) (any, *fault.Error) {
	req := c.Req.(*types.Login)
	if f.Barred != nil && c.Session == nil && f.Barred(req.UserName) {
		return nil, session.NoPermission(c.This, "System.View")
	}
	us, e := f.enter(c, req.Locale, func() (*session.Session, *fault.Error) {
		return c.S.Sessions.Login(req.UserName, req.Password, req.Locale)
	})
	if e != nil {
		return nil, e
	}
	return &types.LoginResponse{Returnval: us}, nil
}

func (f *Front) loginByToken(c *api.Call) (any, *fault.Error) {
	req := c.Req.(*types.LoginByToken)
	us, e := f.enter(c, req.Locale, func() (*session.Session, *fault.Error) {
		name, err := c.S.SSO.Subject(c.Raw, time.Now())
		if err != nil {
			f.W.Truth.Host("token-refused", "", "%v", err)
			return nil, fault.New(&types.InvalidLogin{})
		}
		return c.S.Sessions.Vouched(name, req.Locale)
	})
	if e != nil {
		return nil, e
	}
	return &types.LoginByTokenResponse{Returnval: us}, nil
}

func (f *Front) cloneSession(c *api.Call) (any, *fault.Error) {
	us, e := f.enter(c, "", func() (*session.Session, *fault.Error) {
		return c.S.Sessions.Clone(c.Req.(*types.CloneSession).CloneTicket)
	})
	if e != nil {
		return nil, e
	}
	return &types.CloneSessionResponse{Returnval: us}, nil
}

// enter is what all logins share: the session has no login yet (a clone may take its place), the limit is not reached,
// the user may see something.
func (f *Front) enter(c *api.Call, language string, open func() (*session.Session, *fault.Error)) (types.UserSession, *fault.Error) {
	none := types.UserSession{}
	if c.This.Type != "SessionManager" {
		return none, fault.NotFound(c.This)
	}
	if c.Session != nil && c.Method != "CloneSession" {
		return none, fault.New(&types.InvalidLogin{})
	}
	if c.S.Sessions.Full() {
		return none, fault.New(&outOfSessions{}, "Out of HTTP sessions: Limited to %s", fmt.Sprint(c.S.Sessions.Limit))
	}
	s, e := open()
	if e != nil {
		return none, e
	}
	if e = locale(language); e == nil && !session.Anything(s.User) {
		e = session.NoPermission(c.This, "System.View")
	}
	if e != nil {
		c.S.Sessions.Logout(s)
		return none, e
	}
	s.IpAddress, s.UserAgent = host(c.HTTP.RemoteAddr), c.HTTP.UserAgent()
	c.Out.Set("Set-Cookie", s.CookieHeader())
	c.Session = c.S.Sessions.Enter(s.Cookie)
	defer c.S.Sessions.Leave(s)
	return s.UserSession, nil
}

var languages = regexp.MustCompile(`^(en|de|es|fr|it|ja|ko|pt|ru|zh)([_-][A-Za-z]{2,8})*$`)

// locale refuses one that the server does not support.
func locale(name string) *fault.Error {
	if name == "" || languages.MatchString(name) {
		return nil
	}
	return fault.New(&types.InvalidLocale{})
}

func host(addr string) string {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			return addr[:i]
		}
	}
	return addr
}
