//! The output of a run besides its results: the file of `--log-file`, and the option `--quiet`,
//! which suppresses intermediate messages. Set once, after the command line has been read.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

struct Journal {
    quiet: bool,
    began: Instant,
    file: Option<Mutex<File>>,
}

static JOURNAL: OnceLock<Journal> = OnceLock::new();

/// Opens the file for appending; the first line added is the command line of `program`.
pub fn begin(program: &str, quiet: bool, path: Option<&Path>) -> io::Result<()> {
    let open = |path| File::options().create(true).append(true).open(path).map(Mutex::new);
    let file = path.map(open).transpose()?;
    let _ = JOURNAL.set(Journal { quiet, began: Instant::now(), file });
    let words: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    line(&format!("{program} {}", words.join(" ")));
    Ok(())
}

/// Returns true if only results and failures are shown.
pub fn is_quiet() -> bool {
    JOURNAL.get().is_some_and(|journal| journal.quiet)
}

/// Writes a line to the file, preceded by the seconds since the start. A full disk does not end a
/// job.
pub fn line(text: &str) {
    if let Some(Journal { began, file: Some(file), .. }) = JOURNAL.get()
        && let Ok(mut file) = file.lock()
    {
        let _ = writeln!(file, "{:10.3} {}", began.elapsed().as_secs_f64(), text.trim_end());
    }
}
