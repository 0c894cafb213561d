//! The commands of the statistics group.

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::smp::stat;
use anysmp_tools::outln as println;
use serde_json::json;

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
        Stat::Read { group: None, .. } => {
            let names: Vec<String> =
                device.call(&stat::List {})?.response.names.iter().map(|name| name.to_string()).collect();
            let (mut groups, mut rows) = (serde_json::Map::new(), Vec::new());
            for name in names {
                let answer = device.call(&stat::Read { name: name.as_str().into() })?;
                let row = |(counter, count): (Text<'_>, u64)| [name.clone(), counter.to_string(), count.to_string()];
                rows.extend(answer.response.fields.iter().map(row));
                groups.insert(name.clone(), answer.json());
            }
            output.result(&json!({ "groups": groups }), || table(["GROUP", "COUNTER", "VALUE"], &rows));
        }
        Stat::Read { group: Some(group), .. } => {
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
