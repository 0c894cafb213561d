//! Values that are read repeatedly: a table that is redrawn in place if stdout is a terminal,
//! otherwise lines, comma-separated values, or JSON.
//!
//! The table is never wider or higher than the terminal, and the cursor stays below it, so that
//! Ctrl-C leaves the terminal as it was. After a change of the terminal's size the table begins
//! again below, since the place of the old one is unknown.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::{errln as eprintln, out as print, outln as println};

/// The time from one drawing of the table to the next.
const FRAME: Duration = Duration::from_millis(100);
/// The number of readings kept for a value's curve.
const HISTORY: usize = 120;
/// The number of readings whose average gives a rate.
const RATE: usize = 20;

/// The way in which readings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A table in place.
    Table,
    /// A line for each reading.
    Lines,
    /// A line of comma-separated values for each.
    Csv,
    /// An object for each.
    Json,
}

impl Style {
    /// The way that options ask for. A table needs a terminal that can move its cursor.
    pub fn new(json: bool, csv: bool, lines: bool) -> Self {
        match (json, csv) {
            (true, _) => Self::Json,
            (_, true) => Self::Csv,
            _ if lines || !is_terminal() => Self::Lines,
            _ => Self::Table,
        }
    }
}

/// Returns true if stdout is a terminal that can move its cursor.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A value that is read repeatedly.
struct Row {
    node: Option<u8>,
    id: Option<u8>,
    name: String,
    unit: String,
    /// The last reading, or the reason why there is none.
    last: Result<String, String>,
    numbers: VecDeque<f64>,
    times: VecDeque<Instant>,
    errors: u64,
}

/// Shows readings.
pub struct View {
    style: Style,
    is_colored: bool,
    /// The heading of the ids, and whether there is a column for nodes.
    headings: (&'static str, bool),
    rows: Vec<Row>,
    started: Instant,
    /// The time of the last drawing, its number of lines, and the size of the terminal.
    drawn: Option<(Instant, usize, (u16, u16))>,
    is_stale: bool,
}

impl View {
    /// A view of values whose ids have this heading: `id` or `address`; with `has_nodes`, node
    /// numbers are in front.
    pub fn new(style: Style, id: &'static str, has_nodes: bool) -> Self {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if style == Style::Csv {
            println!("time,{}{id},name,value,unit,error", if has_nodes { "node," } else { "" });
        }
        Self {
            style,
            is_colored: !is_plain,
            headings: (id, has_nodes),
            rows: Vec::new(),
            started: Instant::now(),
            drawn: None,
            is_stale: true,
        }
    }

    /// Returns the row of a value; adds it if there was none.
    pub fn place(&mut self, node: Option<u8>, id: Option<u8>, name: &str, unit: &str) -> usize {
        let found = self.rows.iter().position(|row| (row.node, row.id) == (node, id));
        if let Some(row) = found.and_then(|place| self.rows.get_mut(place)) {
            if !name.is_empty() {
                row.name = printable(name);
            }
            return found.unwrap_or_default();
        }
        self.rows.push(Row {
            node,
            id,
            name: printable(name),
            unit: printable(unit),
            last: Err("no value yet".to_owned()),
            numbers: VecDeque::new(),
            times: VecDeque::new(),
            errors: 0,
        });
        self.is_stale = true;
        self.rows.len() - 1
    }

    /// Shows a reading, to programs and to people; `event` names its origin if there are several.
    pub fn value(&mut self, place: usize, value: &Value, text: &str, event: Option<&str>) {
        let Some(row) = self.rows.get_mut(place) else { return };
        let text = printable(text);
        let number = value.as_f64().or_else(|| value.as_bool().map(|on| f64::from(u8::from(on))));
        if let Some(number) = number {
            keep(&mut row.numbers, number, HISTORY);
        }
        keep(&mut row.times, Instant::now(), RATE);
        row.last = Ok(text.clone());
        self.show(place, value, event, &text, "");
    }

    /// Shows that a value could not be read.
    pub fn error(&mut self, place: usize, error: &str) {
        let Some(row) = self.rows.get_mut(place) else { return };
        let error = printable(error);
        row.errors = row.errors.saturating_add(1);
        row.last = Err(error.clone());
        self.show(place, &Value::Null, None, "", &error);
    }

    /// Shows that a node did not answer: all of its values are in doubt.
    pub fn missing(&mut self, node: Option<u8>, error: &str) {
        for row in self.rows.iter_mut().filter(|row| row.node == node) {
            row.errors = row.errors.saturating_add(1);
            row.last = Err(error.to_owned());
        }
        self.is_stale = true;
        let (time, seconds) = (unix(), self.seconds());
        match self.style {
            Style::Table => {}
            Style::Lines => println!("{seconds:10.3}  {}({error})", self.node(node)),
            Style::Csv => println!("{time:.3},{},,,{}", self.cells(node, None), quoted(error)),
            Style::Json => println!("{}", json!({ "time": time, "node": node, "error": error })),
        }
    }

    /// Shows an event that is not a reading.
    pub fn event(&mut self, event: &str, more: Value, text: &str) {
        let text = printable(text);
        match self.style {
            Style::Table => {
                self.clear();
                println!("{:10.3}  {text}", self.seconds());
            }
            Style::Lines => println!("{:10.3}  {text}", self.seconds()),
            // Events go to stderr, because they are not values.
            Style::Csv => eprintln!("{:10.3}  {text}", self.seconds()),
            Style::Json => {
                let mut object = json!({ "time": unix(), "event": event });
                if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
                    object.extend(more);
                }
                println!("{object}");
            }
        }
    }

    /// Draws the table if it is due.
    pub fn tick(&mut self) {
        let is_due = self.drawn.is_none_or(|(time, ..)| time.elapsed() >= FRAME);
        if self.style == Style::Table && is_due && (self.is_stale || self.drawn.is_some_and(|(.., at)| at != size())) {
            self.draw();
        }
    }

    /// Draws the table one last time.
    pub fn finish(&mut self) {
        if self.style == Style::Table && self.is_stale {
            self.draw();
        }
    }

    /// Seconds since the start.
    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn node(&self, node: Option<u8>) -> String {
        match node.filter(|_| self.headings.1) {
            Some(node) => format!("{node:>3}  "),
            None => String::new(),
        }
    }

    /// The cells of node, number and name.
    fn cells(&self, node: Option<u8>, row: Option<&Row>) -> String {
        let number = |number: Option<u8>| number.map_or_else(String::new, |number| number.to_string());
        let node = if self.headings.1 { number(node) + "," } else { String::new() };
        let (id, name) = row.map_or((None, ""), |row| (row.id, &row.name));
        format!("{node}{},{}", number(id), quoted(name))
    }

    fn show(&mut self, place: usize, value: &Value, event: Option<&str>, text: &str, error: &str) {
        self.is_stale = true;
        let (time, seconds) = (unix(), self.seconds());
        let Some(row) = self.rows.get(place) else { return };
        match self.style {
            Style::Table => {}
            Style::Lines => {
                let id = row.id.map_or_else(String::new, |id| format!("{id:3} "));
                let node = self.node(row.node);
                let told = if error.is_empty() { format!("{text} {}", row.unit) } else { format!("({error})") };
                println!("{}", format!("{seconds:10.3}  {node}{id}{}  {told}", row.name).trim_end());
            }
            Style::Csv => {
                let cells = [text, row.unit.as_str(), error].map(quoted).join(",");
                println!("{time:.3},{},{cells}", self.cells(row.node, Some(row)));
            }
            Style::Json => {
                let mut object = Map::new();
                let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
                put("time", json!(time));
                if let Some(event) = event {
                    put("event", json!(event));
                }
                if self.headings.1 {
                    put("node", json!(row.node));
                }
                put(self.headings.0, json!(row.id));
                put("name", json!(row.name));
                if error.is_empty() {
                    put("value", value.clone());
                    put("unit", json!(row.unit));
                } else {
                    put("error", json!(error));
                }
                println!("{}", Value::Object(object));
            }
        }
    }

    /// Moves the cursor to the beginning of the table, and removes the table.
    fn clear(&mut self) {
        if let Some((_, lines, at)) = self.drawn.take()
            && at == size()
            && lines > 0
        {
            print!("\x1b[{lines}A\r\x1b[J");
        }
        self.is_stale = true;
    }

    /// Draws the table over the previous one, in one write.
    fn draw(&mut self) {
        let (columns, rows) = size();
        let lines = self.table(usize::from(columns).saturating_sub(1), usize::from(rows).saturating_sub(1));
        let mut frame = String::new();
        match self.drawn {
            Some((_, former, at)) if at == (columns, rows) && former > 0 => {
                let _ = write!(frame, "\x1b[{former}A\r");
            }
            _ => {}
        }
        for line in &lines {
            let _ = writeln!(frame, "{line}\x1b[K");
        }
        // Clears the remains of a longer table.
        frame += "\x1b[J";
        print!("{frame}");
        self.drawn = Some((Instant::now(), lines.len(), (columns, rows)));
        self.is_stale = false;
    }

    /// The lines of the table, none wider than `width`, and no more than `height` of them.
    fn table(&self, width: usize, height: usize) -> Vec<String> {
        let widest = |text: &dyn Fn(&Row) -> usize| self.rows.iter().map(text).max().unwrap_or(0);
        let has_nodes = self.headings.1 && self.rows.iter().any(|row| row.node.is_some());
        let node = if has_nodes { 5 } else { 0 };
        let name = widest(&|row| columns(&label(row))).clamp(4, 24);
        let unit = widest(&|row| columns(&row.unit)).min(8);
        let value = widest(&|row| columns(row.last.as_deref().unwrap_or_default())).clamp(9, 24);
        // On a narrow terminal the curve is cut or left out first, then the rate, the name, and
        // last the value.
        let beside = node + 1 + if unit > 0 { unit + 1 } else { 0 };
        let value = value.min(width.saturating_sub(beside + 4)).max(4);
        let name = name.min(width.saturating_sub(beside + value)).max(4);
        let fixed = beside + name + value;
        let rate = if fixed + 9 <= width { 9 } else { 0 };
        let curve = width.saturating_sub(fixed + rate + 2).min(60);
        let curve = if curve >= 8 { curve } else { 0 };

        let mut lines = Vec::new();
        let mut heading = String::new();
        if has_nodes {
            heading += "node ";
        }
        heading += &format!("{} {}", pad("name", name, false), pad("value", value, true));
        if rate > 0 {
            heading += &" ".repeat(if unit > 0 { unit + 1 } else { 0 });
            heading += "     rate";
        }
        lines.push(cut(heading.trim_end(), width));
        let room = height.saturating_sub(2).max(1);
        let shown = if self.rows.len() > room { room.saturating_sub(1).max(1) } else { self.rows.len() };
        for row in self.rows.iter().take(shown) {
            let mut line = String::new();
            if has_nodes {
                line += &row.node.map_or_else(|| " ".repeat(node), |node| format!("{node:>4} "));
            }
            let (text, is_wrong) = match &row.last {
                Ok(text) => (pad(text, value, true), false),
                Err(error) => (pad(error, value, true), true),
            };
            line += &pad(&label(row), name, false);
            line.push(' ');
            let mut rest = String::new();
            if unit > 0 {
                rest = format!(" {}", pad(if is_wrong { "" } else { &row.unit }, unit, false));
            }
            if rate > 0 {
                rest += &pad(&frequency(&row.times), rate, true);
            }
            if curve > 0 {
                rest += &format!("  {}", sparkline(&row.numbers, curve));
            }
            // Cut before it is coloured, because a colour has no width.
            let used = columns(&line);
            let text = cut(&text, width.saturating_sub(used));
            let rest = cut(rest.trim_end(), width.saturating_sub(used + columns(&text)));
            lines.push(match is_wrong && self.is_colored {
                true => format!("{line}\x1b[31m{text}\x1b[0m{rest}"),
                false => format!("{line}{text}{rest}").trim_end().to_owned(),
            });
        }
        if shown < self.rows.len() {
            lines.push(cut(&format!("… and {} more", self.rows.len() - shown), width));
        }
        lines
    }
}

fn keep<T>(list: &mut VecDeque<T>, value: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(value);
}

/// Returns the name of a row, or its id if it has no name.
fn label(row: &Row) -> String {
    match row.id {
        Some(id) if row.name.is_empty() => format!("{id}"),
        _ => row.name.clone(),
    }
}

/// Returns the recent rate of a value.
fn frequency(times: &VecDeque<Instant>) -> String {
    let (Some(first), Some(last)) = (times.front(), times.back()) else { return String::new() };
    // A value that no longer arrives gets a falling rate.
    let time = (*last - *first).max(last.elapsed()).as_secs_f64();
    let intervals = times.len().saturating_sub(1);
    if intervals == 0 || time <= 0.0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let rate = intervals as f64 / time;
    format!("{rate:.1}/s")
}

/// Seconds since 1970, to the millisecond.
fn unix() -> f64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    (seconds * 1e3).round() / 1e3
}

/// A cell of comma-separated values (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Escapes text from a device, so that it can neither move the cursor of a terminal nor control it
/// otherwise.
pub fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{FFFD}' } else { char }).collect()
}

/// The width of a character on a terminal, in columns.
const fn width(char: char) -> usize {
    match char {
        // Combining marks, which take no column of their own.
        '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' => 0,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1FAFF}'
        | '\u{20000}'..='\u{3FFFD}' => 2,
        _ => 1,
    }
}

/// The width of a text on a terminal.
fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Returns as much of the front of a text as there is room for.
fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let mut short: String = text
        .chars()
        .take_while(|char| {
            used += width(*char);
            used <= room
        })
        .collect();
    if room > 0 {
        short.push('…');
    }
    short
}

/// Pads a text to exactly this width.
fn pad(text: &str, width: usize, right: bool) -> String {
    let text = cut(text, width);
    let blank = " ".repeat(width.saturating_sub(columns(&text)));
    if right { blank + &text } else { text + &blank }
}

/// Draws the last values as a curve, from the lowest to the highest of them.
pub fn sparkline(history: &VecDeque<f64>, width: usize) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let numbers = || history.iter().skip(history.len().saturating_sub(width));
    let finite = || numbers().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let scale = if high > low { 7.0 / (high - low) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
    let step = |value: f64| ((value - low) * scale).round().clamp(0.0, 7.0) as usize;
    numbers()
        .map(|value| if value.is_finite() { STEPS.get(step(*value)).copied().unwrap_or('█') } else { ' ' })
        .collect()
}

/// Returns the size of the terminal at stdout: columns, rows.
pub fn size() -> (u16, u16) {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) {
        let or = |value: u16, usual| if value == 0 { usual } else { value };
        return (or(size.ws_col, 80), or(size.ws_row, 24));
    }
    (80, 24)
}
