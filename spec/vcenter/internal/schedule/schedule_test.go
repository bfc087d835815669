package schedule

import (
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

func TestNext(t *testing.T) {
	at := func(s string) time.Time {
		x, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	created := at("2026-11-30 10:20") // a Monday
	hour := func(interval, minute int32) types.HourlyTaskScheduler {
		return types.HourlyTaskScheduler{RecurrentTaskScheduler: types.RecurrentTaskScheduler{Interval: interval}, Minute: minute}
	}
	day := func(interval, hr, minute int32) types.DailyTaskScheduler {
		return types.DailyTaskScheduler{HourlyTaskScheduler: hour(interval, minute), Hour: hr}
	}
	month := func(interval, hr int32) types.MonthlyTaskScheduler {
		return types.MonthlyTaskScheduler{DailyTaskScheduler: day(interval, hr, 0)}
	}
	active := func(s string) types.TaskScheduler { x := at(s); return types.TaskScheduler{ActiveTime: &x} }
	expires := func(s string) types.TaskScheduler { x := at(s); return types.TaskScheduler{ExpireTime: &x} }
	run := at("2026-12-24 18:00")
	h := hour(1, 15)
	h4 := hour(4, 30)
	d, d3 := day(1, 9, 0), day(3, 12, 5)
	late := day(1, 9, 0)
	late.TaskScheduler = active("2027-01-01 00:00")
	short := day(1, 9, 0)
	short.TaskScheduler = expires("2026-12-01 09:00")
	for _, x := range []struct {
		s     types.BaseTaskScheduler
		after string
		want  string
	}{
		{&types.OnceTaskScheduler{RunAt: &run}, "2026-11-30 10:20", "2026-12-24 18:00"},
		{&types.OnceTaskScheduler{RunAt: &run}, "2026-12-24 18:00", ""},
		{&types.OnceTaskScheduler{}, "2026-11-30 10:19", "2026-11-30 10:20"},
		{&types.OnceTaskScheduler{}, "2026-11-30 10:20", ""},
		{&types.AfterStartupTaskScheduler{Minute: 5}, "2026-11-30 10:20", ""},
		{&h, "2026-11-30 10:20", "2026-11-30 11:15"},
		{&h, "2026-11-30 11:15", "2026-11-30 12:15"},
		{&h4, "2026-11-30 10:20", "2026-11-30 10:30"},
		{&h4, "2026-12-01 00:00", "2026-12-01 02:30"},
		{&d, "2026-11-30 10:20", "2026-12-01 09:00"},
		{&d3, "2026-11-30 12:05", "2026-12-03 12:05"},
		{&late, "2026-11-30 10:20", "2027-01-01 09:00"},
		{&short, "2026-11-30 10:20", ""},
		{&types.WeeklyTaskScheduler{DailyTaskScheduler: day(1, 8, 0), Monday: true, Friday: true}, "2026-11-30 10:20", "2026-12-04 08:00"},
		{&types.WeeklyTaskScheduler{DailyTaskScheduler: day(1, 8, 0), Monday: true, Friday: true}, "2026-12-04 08:00", "2026-12-07 08:00"},
		{&types.WeeklyTaskScheduler{DailyTaskScheduler: day(2, 8, 0), Sunday: true}, "2026-11-30 10:20", "2026-12-13 08:00"},
		{&types.MonthlyByDayTaskScheduler{MonthlyTaskScheduler: month(1, 6), Day: 31}, "2027-02-01 00:00", "2027-02-28 06:00"},
		{&types.MonthlyByDayTaskScheduler{MonthlyTaskScheduler: month(2, 6), Day: 1}, "2026-11-30 10:20", "2027-01-01 06:00"},
		{&types.MonthlyByWeekdayTaskScheduler{MonthlyTaskScheduler: month(1, 6), Offset: types.WeekOfMonthSecond, Weekday: types.DayOfWeekTuesday}, "2026-11-30 10:20", "2026-12-08 06:00"},
		{&types.MonthlyByWeekdayTaskScheduler{MonthlyTaskScheduler: month(1, 6), Offset: types.WeekOfMonthLast, Weekday: types.DayOfWeekSunday}, "2026-12-01 00:00", "2026-12-27 06:00"},
	} {
		got, ok := Next(x.s, created, at(x.after))
		if ok != (x.want != "") || ok && !got.Equal(at(x.want)) {
			t.Errorf("%#v after %s: %s %v, not %q", x.s, x.after, got, ok, x.want)
		}
	}
}

func TestCheck(t *testing.T) {
	day := func(interval, hour, minute int32) types.DailyTaskScheduler {
		return types.DailyTaskScheduler{HourlyTaskScheduler: types.HourlyTaskScheduler{RecurrentTaskScheduler: types.RecurrentTaskScheduler{Interval: interval}, Minute: minute}, Hour: hour}
	}
	a, b, c, d := day(0, 0, 0), day(1000, 0, 0), day(1, 24, 0), day(1, 0, 60)
	good := day(1, 0, 0)
	for _, x := range []struct {
		s    types.BaseTaskScheduler
		want string
	}{{&a, "interval"}, {&b, "interval"}, {&c, "hour"}, {&d, "minute"}, {&good, ""}, {&types.OnceTaskScheduler{}, ""}, {&types.AfterStartupTaskScheduler{Minute: -1}, "minute"},
		{&types.WeeklyTaskScheduler{DailyTaskScheduler: good}, "sunday"}, {&types.WeeklyTaskScheduler{DailyTaskScheduler: good, Friday: true}, ""},
		{&types.MonthlyByDayTaskScheduler{MonthlyTaskScheduler: types.MonthlyTaskScheduler{DailyTaskScheduler: good}, Day: 32}, "day"},
		{&types.RecurrentTaskScheduler{}, "scheduler"}} {
		if got := Check(x.s); got != x.want {
			t.Errorf("%#v: %q, not %q", x.s, got, x.want)
		}
	}
}
