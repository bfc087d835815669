// Package schedule says when a scheduled task runs: the schedulers of vim25, in UTC.
package schedule

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// Check finds the field of a scheduler that is out of its range, "" = none.
func Check(s types.BaseTaskScheduler) string {
	switch x := s.(type) {
	case *types.OnceTaskScheduler, *types.TaskScheduler:
		return ""
	case *types.AfterStartupTaskScheduler:
		return when(x.Minute < 0, "minute")
	case *types.HourlyTaskScheduler:
		return hourly(x)
	case *types.DailyTaskScheduler:
		return daily(x)
	case *types.WeeklyTaskScheduler:
		if bad := daily(&x.DailyTaskScheduler); bad != "" {
			return bad
		}
		return when(days(x) == [7]bool{}, "sunday")
	case *types.MonthlyByDayTaskScheduler:
		if bad := daily(&x.DailyTaskScheduler); bad != "" {
			return bad
		}
		return when(x.Day < 1 || x.Day > 31, "day")
	case *types.MonthlyByWeekdayTaskScheduler:
		return daily(&x.DailyTaskScheduler)
	}
	return "scheduler"
}

func when(bad bool, field string) string {
	if bad {
		return field
	}
	return ""
}

func hourly(x *types.HourlyTaskScheduler) string {
	if x.Interval < 1 || x.Interval > 999 {
		return "interval"
	}
	return when(x.Minute < 0 || x.Minute > 59, "minute")
}

func daily(x *types.DailyTaskScheduler) string {
	if bad := hourly(&x.HourlyTaskScheduler); bad != "" {
		return bad
	}
	return when(x.Hour < 0 || x.Hour > 23, "hour")
}

func days(x *types.WeeklyTaskScheduler) [7]bool {
	return [7]bool{x.Sunday, x.Monday, x.Tuesday, x.Wednesday, x.Thursday, x.Friday, x.Saturday}
}

// Next is the first time after a moment; created is when the task was created. A task that is to run at once
// (OnceTaskScheduler without a time) has created as its time.
func Next(s types.BaseTaskScheduler, created, after time.Time) (time.Time, bool) {
	base := s.GetTaskScheduler()
	from := created.UTC()
	if base.ActiveTime != nil {
		from = base.ActiveTime.UTC()
	}
	t, ok := next(s, from, after.UTC())
	if !ok || base.ExpireTime != nil && !t.Before(*base.ExpireTime) {
		return time.Time{}, false
	}
	return t, true
}

func next(s types.BaseTaskScheduler, from, after time.Time) (time.Time, bool) {
	if x, ok := s.(*types.OnceTaskScheduler); ok {
		at := from
		if x.RunAt != nil {
			at = x.RunAt.UTC()
		}
		return at, at.After(after)
	}
	p, ok := periods(s, from)
	if !ok {
		return time.Time{}, false // after a restart, which this server's tasks do not outlive
	}
	for k := max(0, p.about(after)-2); ; k++ {
		for _, t := range p.times(k) {
			if t.After(after) && !t.Before(from) {
				return t, true
			}
		}
	}
}

// period is a recurrent schedule: its times in the k-th period, and about which period a time is in.
type period struct {
	times func(k int) []time.Time
	about func(t time.Time) int
}

func even(first time.Time, step time.Duration) period {
	return period{func(k int) []time.Time { return []time.Time{first.Add(time.Duration(k) * step)} },
		func(t time.Time) int { return int(t.Sub(first) / step) }}
}

func periods(s types.BaseTaskScheduler, from time.Time) (period, bool) {
	y, m, d := from.Date()
	at := func(y int, m time.Month, d int, x *types.DailyTaskScheduler) time.Time {
		return time.Date(y, m, d, int(x.Hour), int(x.Minute), 0, 0, time.UTC)
	}
	monthly := func(x *types.DailyTaskScheduler, day func(first time.Time) int) period {
		return period{func(k int) []time.Time {
			first := time.Date(y, m+time.Month(k*int(x.Interval)), 1, 0, 0, 0, 0, time.UTC)
			return []time.Time{at(first.Year(), first.Month(), day(first), x)}
		}, func(t time.Time) int { return int(t.Sub(from)/(31*24*time.Hour)) / int(x.Interval) }}
	}
	switch x := s.(type) {
	case *types.HourlyTaskScheduler:
		first := time.Date(y, m, d, from.Hour(), int(x.Minute), 0, 0, time.UTC)
		if first.Before(from) {
			first = first.Add(time.Hour)
		}
		return even(first, time.Duration(x.Interval)*time.Hour), true
	case *types.DailyTaskScheduler:
		first := at(y, m, d, x)
		if first.Before(from) {
			first = first.AddDate(0, 0, 1)
		}
		return even(first, time.Duration(x.Interval)*24*time.Hour), true
	case *types.WeeklyTaskScheduler:
		sunday := at(y, m, d-int(from.Weekday()), &x.DailyTaskScheduler)
		step := time.Duration(x.Interval) * 7 * 24 * time.Hour
		return period{func(k int) (out []time.Time) {
			for day, on := range days(x) {
				if on {
					out = append(out, sunday.Add(time.Duration(k)*step).AddDate(0, 0, day))
				}
			}
			return out
		}, func(t time.Time) int { return int(t.Sub(sunday) / step) }}, true
	case *types.MonthlyByDayTaskScheduler:
		return monthly(&x.DailyTaskScheduler, func(first time.Time) int { return min(int(x.Day), last(first)) }), true
	case *types.MonthlyByWeekdayTaskScheduler:
		return monthly(&x.DailyTaskScheduler, func(first time.Time) int { return weekday(first, x.Offset, x.Weekday) }), true
	}
	return period{}, false
}

func last(first time.Time) int { return first.AddDate(0, 1, -1).Day() }

var (
	weekdays = map[types.DayOfWeek]int{types.DayOfWeekSunday: 0, types.DayOfWeekMonday: 1, types.DayOfWeekTuesday: 2, types.DayOfWeekWednesday: 3,
		types.DayOfWeekThursday: 4, types.DayOfWeekFriday: 5, types.DayOfWeekSaturday: 6}
	weeks = map[types.WeekOfMonth]int{types.WeekOfMonthFirst: 0, types.WeekOfMonthSecond: 1, types.WeekOfMonthThird: 2, types.WeekOfMonthFourth: 3,
		types.WeekOfMonthLast: 4}
)

// weekday is the day of the month that is the n-th (or last) of its name.
func weekday(first time.Time, offset types.WeekOfMonth, name types.DayOfWeek) int {
	day := 1 + (weekdays[name]-int(first.Weekday())+7)%7 + 7*weeks[offset]
	if day > last(first) { // a month with four of them
		day -= 7
	}
	return day
}
