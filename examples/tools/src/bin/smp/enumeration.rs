//! The commands of the enumeration group.

use anysmp::framing::Framing;
use anysmp::smp::Group;
use anysmp::smp::enumeration::{Count, Detail, Details, List, Single};
use anysmp_tools::outln as println;

use crate::cli::Enum;
use crate::device::Device;
use crate::failure::Failure;
use crate::output::table;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Enum) -> Result<(), Failure> {
    let output = device.output;
    match command {
        Enum::List => {
            let answer = device.call(&List {})?;
            output.result(&answer.json(), || {
                let rows: Vec<_> = answer.response.groups.iter().map(row).collect();
                table(["GROUP", "NAME"], &rows);
            });
        }
        Enum::Count => {
            let answer = device.call(&Count {})?;
            output.result(&answer.json(), || println!("{}", answer.response.count));
        }
        Enum::Single { index } => {
            let answer = device.call(&Single { index: Some(*index) })?;
            output.result(&answer.json(), || table(["GROUP", "NAME"], &[row(answer.response.group)]));
        }
        Enum::Details { groups } => {
            let groups = (!groups.is_empty()).then_some(groups.as_slice().into());
            let answer = device.call(&Details { groups })?;
            output.result(&answer.json(), || {
                let row = |detail: Detail<'_>| {
                    let name = detail.name.map_or_else(|| "-".to_owned(), |name| name.to_string());
                    let handlers = detail.handlers.map_or_else(|| "-".to_owned(), |count| count.to_string());
                    [detail.group.to_string(), name, handlers]
                };
                let rows: Vec<_> = answer.response.groups.iter().map(row).collect();
                table(["GROUP", "NAME", "COMMANDS UP TO"], &rows);
            });
        }
    }
    Ok(())
}

fn row(group: u16) -> [String; 2] {
    [group.to_string(), Group(group).name().unwrap_or("-").to_owned()]
}
