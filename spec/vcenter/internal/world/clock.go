package world

import (
	"context"
	"time"
)

// Clock divides every delay by Speed. Time stamps are those of the real clock.
type Clock struct{ Speed float64 }

// Real is how long a virtual duration lasts.
func (c *Clock) Real(d time.Duration) time.Duration { return time.Duration(float64(d) / c.Speed) }

// Virtual is the virtual length of a real duration.
func (c *Clock) Virtual(d time.Duration) time.Duration { return time.Duration(float64(d) * c.Speed) }

// Sleep waits a virtual duration; false when ctx ended first.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(c.Real(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Seconds creates a duration of virtual seconds.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
