package infomart

import (
	"fmt"
	"time"
)

// DateTimeColumns lists DATE_TIME without its audit keys: one row for each 15 minutes,
// Gregorian calendar, UTC, weeks from Sunday. A *_KEY is the epoch second at which
// that unit of time begins. It is a subset of Info Mart's columns.
var DateTimeColumns = []string{
	"DATE_TIME_KEY", "DATE_TIME_30MIN_KEY", "DATE_TIME_HOUR_KEY", "DATE_TIME_DAY_KEY",
	"DATE_TIME_WEEK_KEY", "DATE_TIME_MONTH_KEY", "DATE_TIME_QUARTER_KEY", "DATE_TIME_YEAR_KEY",
	"CAL_DATE", "CAL_DAY_NAME", "CAL_MONTH_NAME",
	"CAL_DAY_NUM_IN_WEEK", "CAL_DAY_NUM_IN_MONTH", "CAL_DAY_NUM_IN_YEAR",
	"CAL_MONTH_NUM_IN_YEAR", "CAL_QUARTER_NUM_IN_YEAR", "CAL_YEAR_NUM",
	"CAL_HOUR_24_NUM_IN_DAY", "CAL_30MINUTE_NUM_IN_HOUR",
	"LABEL_YYYY", "LABEL_YYYY_QQ", "LABEL_YYYY_MM", "LABEL_YYYY_MM_DD",
	"LABEL_YYYY_MM_DD_HH24", "LABEL_YYYY_MM_DD_HH24_30INT", "LABEL_YYYY_MM_DD_HH24_15INT",
}

// DateTimeRows returns the 96 rows of DATE_TIME of the UTC day that begins at epoch
// second start, in the order of DateTimeColumns.
func DateTimeRows(start int64) [][]any {
	rows := make([][]any, 0, day/interval)
	for key := start; key < start+day; key += interval {
		rows = append(rows, dateTimeRow(key))
	}
	return rows
}

func dateTimeRow(key int64) []any {
	t := time.Unix(key, 0).UTC()
	year, month, dayOfMonth := t.Date()
	quarter := (int(month)-1)/3 + 1
	midnight := time.Date(year, month, dayOfMonth, 0, 0, 0, 0, time.UTC)
	begin := func(m time.Month, d int) int64 { return time.Date(year, m, d, 0, 0, 0, 0, time.UTC).Unix() }
	half := t.Minute() / 30
	hour := t.Format("2006-01-02 15")
	return []any{
		key, floor(key, 1800), floor(key, 3600), midnight.Unix(),
		midnight.AddDate(0, 0, -int(t.Weekday())).Unix(), begin(month, 1), begin(time.Month(3*quarter-2), 1), begin(time.January, 1),
		t.Format(time.DateOnly), t.Weekday().String(), month.String(),
		int64(t.Weekday()) + 1, int64(dayOfMonth), int64(t.YearDay()),
		int64(month), int64(quarter), int64(year),
		int64(t.Hour()), int64(half + 1),
		t.Format("2006"), fmt.Sprintf("%04d Q%d", year, quarter), t.Format("2006-01"), t.Format(time.DateOnly),
		hour, fmt.Sprintf("%s:%02d-%02d:%02d", hour, half*30, t.Hour(), half*30+29),
		fmt.Sprintf("%s:%02d-%02d:%02d", hour, t.Minute(), t.Hour(), t.Minute()+14),
	}
}
