// Package fault carries a vim25 fault as a Go error, together with the sentence that a
// person reads. A real server answers with three texts: the SOAP faultstring, the
// localizedMessage of a LocalizedMethodFault (in Task.info.error, missingSet...), and
// faultMessage[], which holds the detail lines ("device ... is in use"). Handlers
// return *Error; the front turns it into a SOAP fault, a task into info.error.
package fault

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

// Error is a vim25 fault with its message.
type Error struct {
	Fault   types.BaseMethodFault
	Message string
	Code    string // the SOAP faultcode; "" is ServerFaultCode
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", Name(e.Fault), e.Message) }

// Name is the vim25 type name of a fault.
func Name(f types.BaseMethodFault) string {
	t := reflect.TypeOf(f)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// New creates an Error; an empty text takes the usual sentence of the fault's type.
func New(f types.BaseMethodFault, text ...any) *Error {
	e := &Error{Fault: f}
	if len(text) > 0 {
		e.Message = fmt.Sprintf(text[0].(string), text[1:]...)
	}
	if e.Message == "" {
		e.Message = Sentence(f)
	}
	return e
}

// With adds one line to faultMessage[], which holds the reasons of a failed power-on.
func (e *Error) With(key, message string, args ...types.KeyAnyValue) *Error {
	m := e.Fault.GetMethodFault()
	m.FaultMessage = append(m.FaultMessage, types.LocalizableMessage{Key: key, Arg: args, Message: message})
	return e
}

// Because attaches a cause to the fault (faultCause).
func (e *Error) Because(cause *Error) *Error {
	e.Fault.GetMethodFault().FaultCause = cause.Localized()
	return e
}

// Localized is the form in which data objects carry a fault.
func (e *Error) Localized() *types.LocalizedMethodFault {
	return &types.LocalizedMethodFault{Fault: e.Fault, LocalizedMessage: e.Message}
}

// From turns any error into an *Error; an unknown one becomes a SystemError.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return e
	}
	return New(&types.SystemError{Reason: err.Error()}, "A general system error occurred: %s", err.Error())
}

// InvalidArgument names the parameter, as vCenter does.
func InvalidArgument(property string) *Error {
	return New(&types.InvalidArgument{InvalidProperty: property},
		"A specified parameter was not correct: %s", property)
}

// InvalidRequest is the parser's fault: the request never reached a method.
func InvalidRequest(format string, args ...any) *Error {
	return New(&types.InvalidRequest{}, append([]any{format}, args...)...)
}

// NotFound is ManagedObjectNotFound with its usual sentence.
func NotFound(ref types.ManagedObjectReference) *Error {
	return New(&types.ManagedObjectNotFound{Obj: ref},
		"The object 'vim.%s:%s' has already been deleted or has not been completely created", ref.Type, ref.Value)
}

// InvalidState is the general refusal "not in this state".
func InvalidState(format string, args ...any) *Error {
	return New(&types.InvalidState{}, append([]any{format}, args...)...)
}

// Sentence is vCenter's usual wording for a fault type.
func Sentence(f types.BaseMethodFault) string {
	switch x := f.(type) {
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", power(x.ExistingState))
	case *types.NoPermission:
		return "Permission to perform this operation was denied."
	case *types.TaskInProgress:
		return "The operation is not allowed in the current state. Another task is already in progress."
	case *types.InvalidProperty:
		return ""
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", x.Name)
	}
	if s, ok := sentences[Name(f)]; ok {
		return s
	}
	return "A fault of type " + Name(f) + " occurred."
}

func power(s types.VirtualMachinePowerState) string {
	switch s {
	case types.VirtualMachinePowerStatePoweredOn:
		return "Powered on"
	case types.VirtualMachinePowerStatePoweredOff:
		return "Powered off"
	}
	return "Suspended"
}

var sentences = map[string]string{
	"NotAuthenticated":           "The session is not authenticated.",
	"InvalidLogin":               "Cannot complete login due to an incorrect user name or password.",
	"InvalidState":               "The operation is not allowed in the current state.",
	"InvalidCollectorVersion":    "The version string is not valid for this collector.",
	"RequestCanceled":            "The task was canceled by a user.",
	"Timedout":                   "Operation timed out.",
	"NotSupported":               "The operation is not supported on the object.",
	"HostNotConnected":           "Unable to communicate with the remote host, since it is disconnected.",
	"HostNotReachable":           "The host is not reachable.",
	"HostConfigFault":            "An error occurred during host configuration.",
	"ResourceInUse":              "The resource is in use.",
	"FileNotFound":               "File was not found.",
	"GuestOperationsUnavailable": "The guest operations agent could not be contacted.",
	"InvalidGuestLogin":          "Failed to authenticate with the guest operating system using the supplied credentials.",
	"ToolsUnavailable":           "Cannot complete operation because VMware Tools is not running in this virtual machine.",
	"ConcurrentAccess":           "The object or item referred to could not be found, or was changed by another request.",
	"MethodNotFound":             "The method was not found.",
	"InvalidRequest":             "The request is invalid.",
}
