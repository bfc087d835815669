package world

import (
	"context"
	"sync"
	"time"
)

// Clock is virtual time, which runs Speed times as fast as the real one; the speed may change while
// others sleep. Time stamps are those of the real clock.
type Clock struct {
	mu      sync.Mutex
	speed   float64
	base    time.Duration // the virtual time at `since`
	since   time.Time
	changed chan struct{} // closed when the speed changes
}

// SetSpeed sets the speed from now on.
func (c *Clock) SetSpeed(speed float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.since, c.speed = c.now(), time.Now(), speed
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *Clock) now() time.Duration {
	if c.speed == 0 {
		return 0
	}
	return c.base + time.Duration(float64(time.Since(c.since))*c.speed)
}

// Now is the virtual time since the start.
func (c *Clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// Real is how long a virtual duration lasts at the present speed.
func (c *Clock) Real(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(d) / c.speed)
}

// Virtual is the virtual length of a real duration at the present speed.
func (c *Clock) Virtual(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(d) * c.speed)
}

// Sleep waits a virtual duration; false when ctx ended first.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	end := c.Now() + d
	for {
		c.mu.Lock()
		left, speed, changed := end-c.now(), c.speed, c.changed
		c.mu.Unlock()
		if left <= 0 {
			return true
		}
		t := time.NewTimer(time.Duration(float64(left)/speed) + 1)
		select {
		case <-t.C:
		case <-changed:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

// Seconds creates a duration of virtual seconds.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
