// Package session keeps who is logged in: login and its refusals, the cookie, idle
// expiry, the limit, and what each user may do. It does not depend on HTTP or XML.
package session

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"

	"gpupt.test/vcenter/internal/fault"
	"gpupt.test/vcenter/internal/fleet"
	"gpupt.test/vcenter/internal/rules"
)

var (
	_ = rules.Add(rules.Rule{ID: "session.invalid-login", Sure: "documented", As: "real", Source: "API reference: SessionManager.Login throws InvalidLogin",
		Text: "A wrong user or password, or a Login on a session that is logged in already, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "session.not-authenticated", Sure: "documented", As: "real", Source: "API reference: NotAuthenticated; real servers fault RetrievePropertiesEx too",
		Text: "Without a live session every call but Login* and RetrieveServiceContent is NotAuthenticated."})
	_ = rules.Add(rules.Rule{ID: "session.cookie", Sure: "seen", As: "real", Source: "pyVmomi SoapAdapter keeps the quoted value",
		Text: "The session is the cookie vmware_soap_session=\"...\"; Path=/; HttpOnly; Secure, with quotes."})
	_ = rules.Add(rules.Rule{ID: "session.idle-expiry", Sure: "seen", As: "real", Source: "pyvmomi#953, govmomi#2698: 30 minutes",
		Text: "A session that was idle for 30 minutes (real time, -session-idle) has ended: NotAuthenticated. A request under way keeps it alive."})
	_ = rules.Add(rules.Rule{ID: "session.limit", Sure: "seen", As: "real", Source: "kops#2747: \"Out of HTTP sessions: Limited to 2000\"",
		Text: "No more than 2000 sessions: HTTP 503 `Out of HTTP sessions: Limited to 2000`."})
	_ = rules.Add(rules.Rule{ID: "session.privilege", Sure: "documented", As: "real", Source: "API reference: the privilege that each method names; NoPermission.privilegeId",
		Text: "A user without the privilege of a method on the object gets NoPermission, which names object and privilege."})
)

var (
	_ = rules.Add(rules.Rule{ID: "session.clone-once", Sure: "documented", As: "real", Source: "API reference: SessionManager.AcquireCloneTicket: \"The ticket may only be used once and becomes invalid after use\"; CloneSession throws InvalidLogin if the ticket is not valid",
		Text: "A clone ticket creates one session; a second CloneSession with it, or one with an unknown ticket, is InvalidLogin."})
	_ = rules.Add(rules.Rule{ID: "session.clone-again", Sure: "documented", As: "real", Source: "API reference: SessionManager.CloneSession: associates the clone with the current connection, InvalidLogin only for a ticket that is not valid; none for what becomes of the session before, which lives on here as in govmomi's simulator",
		Text: "CloneSession on a connection that is logged in already gives it the clone's cookie; the session before is not ended, and a refused ticket leaves it as it was."})
	_ = rules.Add(rules.Rule{ID: "session.clone-source", Sure: "documented", As: "real", Source: "API reference: SessionManager.AcquireCloneTicket: \"The ticket is also invalidated when the corresponding session is closed or expires\"",
		Text: "A clone ticket is void once the session that acquired it has ended. The clone is independent: it outlives its source."})
	_ = rules.Add(rules.Rule{ID: "session.clone-rights", Sure: "documented", As: "real", Source: "API reference: SessionManager.CloneSession: takes on the identity and authorization level of the source; AcquireCloneTicket needs System.View, CloneSession System.Anonymous",
		Text: "The clone is of the same user, with a key and a cookie of its own. Acquiring the ticket needs a session, cloning needs none."})
)

// Session is one login.
type Session struct {
	types.UserSession
	Cookie  string
	User    *fleet.User
	busy    int
	Objects map[types.ManagedObjectReference]bool // filters, collectors, views of this session
}

// Manager holds the live sessions.
type Manager struct {
	mu      sync.Mutex
	users   map[string]*fleet.User
	live    map[string]*Session
	tickets map[string]*Session // clone tickets that were not used, by the session that they clone
	Idle    time.Duration       // real time; 0 = never
	Limit   int
	ends    []func(*Session)
	Total   int
}

// New creates a manager for these users.
func New(users []fleet.User, idle time.Duration, limit int) *Manager {
	m := &Manager{users: map[string]*fleet.User{}, live: map[string]*Session{}, tickets: map[string]*Session{}, Idle: idle, Limit: limit}
	for i := range users {
		m.users[strings.ToLower(users[i].Name)] = &users[i]
	}
	return m
}

// Login creates a session; the caller has none yet.
func (m *Manager) Login(name, password, locale string) (*Session, *fault.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[strings.ToLower(name)]
	if u == nil || subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) != 1 {
		return nil, fault.New(&types.InvalidLogin{})
	}
	return m.open(u, locale), nil
}

// Vouched creates a session for a user that was authenticated without a password.
func (m *Manager) Vouched(name, locale string) (*Session, *fault.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[strings.ToLower(name)]
	if u == nil {
		return nil, fault.New(&types.InvalidLogin{})
	}
	return m.open(u, locale), nil
}

// Service makes the account of a service of the server itself, and returns its name and password.
func (m *Manager) Service(name string) (string, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := &fleet.User{Name: name, Password: uuid.NewString(), Role: "Admin"}
	m.users[strings.ToLower(name)] = u
	return u.Name, u.Password
}

// Ticket creates a one-time ticket that clones a session.
func (m *Manager) Ticket(s *Session) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ticket := "cst-VCT-" + uuid.NewString() + "--tp-" + strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", ""))
	m.tickets[ticket] = s
	return ticket
}

// Clone creates a session from a ticket, which is void afterwards.
func (m *Manager) Clone(ticket string) (*Session, *fault.Error) {
	m.Expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	source := m.tickets[ticket]
	delete(m.tickets, ticket)
	if source == nil || m.live[source.Cookie] != source {
		return nil, fault.New(&types.InvalidLogin{})
	}
	return m.open(source.User, source.Locale), nil
}

func (m *Manager) open(u *fleet.User, locale string) *Session {
	if locale == "" {
		locale = "en"
	}
	now := time.Now()
	s := &Session{Cookie: strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", ""), User: u,
		Objects: map[types.ManagedObjectReference]bool{},
		UserSession: types.UserSession{Key: uuid.NewString(), UserName: u.Name, FullName: u.Name, LoginTime: now,
			LastActiveTime: now, Locale: locale, MessageLocale: locale}}
	m.live[s.Cookie] = s
	m.Total++
	return s
}

// Full reports whether another login would exceed the limit.
func (m *Manager) Full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Limit > 0 && len(m.live) >= m.Limit
}

// Enter finds the session of a cookie and marks a request as under way in it.
func (m *Manager) Enter(cookie string) *Session {
	m.Expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.live[cookie]
	if s != nil {
		s.busy++
		s.CallCount++
	}
	return s
}

// Leave ends what Enter began.
func (m *Manager) Leave(s *Session) {
	m.mu.Lock()
	s.busy--
	s.LastActiveTime = time.Now()
	m.mu.Unlock()
}

// Expire drops the sessions that were idle too long.
func (m *Manager) Expire() {
	if m.Idle <= 0 {
		return
	}
	m.mu.Lock()
	var gone []*Session
	for c, s := range m.live {
		if s.busy == 0 && time.Since(s.LastActiveTime) > m.Idle {
			delete(m.live, c)
			gone = append(gone, s)
		}
	}
	m.mu.Unlock()
	m.ended(gone)
}

// Logout ends one session.
func (m *Manager) Logout(s *Session) {
	m.mu.Lock()
	delete(m.live, s.Cookie)
	m.mu.Unlock()
	m.ended([]*Session{s})
}

// Terminate ends a session by its key.
func (m *Manager) Terminate(key string) bool {
	m.mu.Lock()
	var found *Session
	for c, s := range m.live {
		if s.Key == key {
			delete(m.live, c)
			found = s
		}
	}
	m.mu.Unlock()
	if found == nil {
		return false
	}
	m.ended([]*Session{found})
	return true
}

// Drop ends all sessions, as a restart of the service does.
func (m *Manager) Drop() {
	m.mu.Lock()
	gone := make([]*Session, 0, len(m.live))
	for _, s := range m.live {
		gone = append(gone, s)
	}
	m.live = map[string]*Session{}
	m.mu.Unlock()
	m.ended(gone)
}

func (m *Manager) ended(gone []*Session) {
	m.mu.Lock()
	for ticket, s := range m.tickets {
		if m.live[s.Cookie] != s {
			delete(m.tickets, ticket)
		}
	}
	m.mu.Unlock()
	for _, s := range gone {
		for _, f := range m.ends {
			f(s)
		}
	}
}

// OnEnd has f called for each session that ends; the caller may hold the world lock.
func (m *Manager) OnEnd(f func(*Session)) { m.ends = append(m.ends, f) }

// List returns the live sessions.
func (m *Manager) List() []types.UserSession {
	m.Expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]types.UserSession, 0, len(m.live))
	for _, s := range m.live {
		out = append(out, s.UserSession)
	}
	return out
}

// Count returns the number of live sessions.
func (m *Manager) Count() int {
	m.Expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

// readOnly is what the role ReadOnly holds.
var readOnly = map[string]bool{"System.Anonymous": true, "System.View": true, "System.Read": true}

// Allowed reports whether a user holds a privilege.
func Allowed(u *fleet.User, privilege string) bool {
	if privilege == "" {
		return true
	}
	if u.Privileges != nil {
		if readOnly[privilege] {
			return true
		}
		for _, p := range u.Privileges {
			if p == privilege || (strings.HasSuffix(p, ".*") && strings.HasPrefix(privilege, p[:len(p)-1])) {
				return true
			}
		}
		return false
	}
	switch u.Role {
	case "Admin":
		return true
	case "ReadOnly":
		return readOnly[privilege]
	}
	return privilege == "System.Anonymous"
}

// Anything reports whether a user may see any object at all.
func Anything(u *fleet.User) bool {
	if Allowed(&fleet.User{Role: u.Role, Privileges: u.Privileges}, "System.View") {
		return true
	}
	for _, g := range u.Grants {
		if Allowed(&fleet.User{Role: g.Role, Privileges: g.Privileges}, "System.View") {
			return true
		}
	}
	return false
}

// AllowedAt reports whether a user holds a privilege on an entity: paths are the inventory
// paths of an entity and of all above it, nearest first. The nearest permission decides.
func AllowedAt(u *fleet.User, privilege string, paths []string) bool {
	for i, p := range paths {
		for _, g := range u.Grants {
			if g.Path == p && (i == 0 || g.Propagate == nil || *g.Propagate) {
				return Allowed(&fleet.User{Role: g.Role, Privileges: g.Privileges}, privilege)
			}
		}
	}
	return Allowed(&fleet.User{Role: u.Role, Privileges: u.Privileges}, privilege)
}

// User finds a user by name; UserOf by the key of a live session.
func (m *Manager) User(name string) *fleet.User {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users[strings.ToLower(name)]
}

func (m *Manager) UserOf(key string) *fleet.User {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.live {
		if s.Key == key {
			return s.User
		}
	}
	return nil
}

// NoPermission is the fault for a missing privilege on an object.
func NoPermission(ref types.ManagedObjectReference, privilege string) *fault.Error {
	return fault.New(&types.NoPermission{Object: &ref, PrivilegeId: privilege})
}

// CookieHeader is the Set-Cookie line of a login.
func (s *Session) CookieHeader() string {
	return fmt.Sprintf("vmware_soap_session=\"%s\"; Path=/; HttpOnly; Secure", s.Cookie)
}
