//! The commands of the statistics group.

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::smp::stat;
use anysmp_tools::outln as println;

use crate::cli::Stat;
use crate::device::Device;
use crate::failure::Failure;
use crate::output::table;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Stat) -> Result<(), Failure> {
    let output = device.output;
    match command {
        Stat::List => {
            let answer = device.call(&stat::List {})?;
            output.result(&answer.json(), || answer.response.names.iter().for_each(|name| println!("{name}")));
        }
        Stat::Read { group } => {
            let answer = device.call(&stat::Read { name: group.as_str().into() })?;
            output.result(&answer.json(), || {
                let row = |(name, count): (Text<'_>, u64)| [name.to_string(), count.to_string()];
                let rows: Vec<_> = answer.response.fields.iter().map(row).collect();
                table(["COUNTER", "VALUE"], &rows);
            });
        }
    }
    Ok(())
}
