//! Date and time without a zone, as the OS group sends it: `2026-11-20T21:53:18`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that can be set.
pub struct Clock {
    /// Seconds since 1970 when it was set.
    seconds: i64,
    set: Instant,
}

impl Clock {
    /// A clock at this computer's UTC.
    pub fn of_host() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { seconds: i64::try_from(since).unwrap_or(0), set: Instant::now() }
    }

    /// Sets the clock; returns false if the text is not a date.
    pub fn set(&mut self, text: &str) -> bool {
        let Some(seconds) = parse(text) else { return false };
        *self = Self { seconds, set: Instant::now() };
        true
    }

    /// Date and time now.
    pub fn show(&self) -> String {
        let passed = i64::try_from(self.set.elapsed().as_secs()).unwrap_or(0);
        format(self.seconds.saturating_add(passed))
    }
}

/// Converts date and time to UTC, as devices keep it: `2026-11-20T21:53:18`, with a fraction and
/// with a zone (`Z`, `+01:00`, `+0100`, `+01`) if necessary. Without a zone it is assumed to be
/// UTC. `None` if it has another form or is not a date.
#[must_use]
pub fn to_utc(text: &str) -> Option<String> {
    const SHAPE: &str = "0000-00-00T00:00:00";
    let (front, rest) = text.split_at_checked(SHAPE.len())?;
    let fits = |wanted: u8, byte: u8| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
    if !SHAPE.bytes().zip(front.bytes()).all(|(wanted, byte)| fits(wanted, byte)) {
        return None;
    }
    let zone = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone);
    let is_fraction = |text: &str| text.len() > 1 && text.starts_with('.') && text.matches('.').count() == 1;
    if !(fraction.is_empty() || is_fraction(fraction)) {
        return None;
    }
    let minutes = match zone.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => 0,
        Some((sign @ ("+" | "-"), digits)) => {
            let digits = digits.replacen(':', "", usize::from(digits.find(':') == Some(2)));
            if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            let (hours, minutes) = digits.split_at(2);
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().unwrap_or(0));
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == "-" { -1 } else { 1 }
        }
        Some(_) => return None,
    };
    // Devices read 26 characters at most: microseconds.
    Some(format(parse(front)?.saturating_sub(minutes * 60)) + fraction.get(..7).unwrap_or(fraction))
}

/// Reads date and time as Zephyr does: 19 to 26 characters, six numbers with any one character
/// between them; a fraction and a zone are ignored.
fn parse(text: &str) -> Option<i64> {
    if !(19..=26).contains(&text.len()) {
        return None;
    }
    let mut rest = text;
    let mut number = |low, high| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        rest = after.get(after.chars().next().map_or(0, char::len_utf8)..)?;
        digits.parse::<i64>().ok().filter(|number| (low..=high).contains(number))
    };
    let (year, month, day) = (number(1900, 11_899)?, number(1, 12)?, number(1, 31)?);
    let (hour, minute, second) = (number(0, 23)?, number(0, 59)?, number(0, 59)?);
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Writes date and time.
fn format(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted from March on, the lengths of the months repeat every five months, and the leap day
    // comes last.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
