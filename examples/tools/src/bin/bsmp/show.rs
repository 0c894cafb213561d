//! The entities of a node, for people and programs.

use anysmp::bsmp::curve::Digest;
use anysmp::bsmp::routine::Directory;
use anysmp_tools::outln as println;
use serde_json::json;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn checksum(digest: Digest) -> String {
    if digest == Digest::default() { "not calculated".to_owned() } else { hex(&digest) }
}

pub const fn kind(writable: bool) -> &'static str {
    if writable { "rw" } else { "ro" }
}

pub fn show_all(directory: &Directory<'_>, json: bool) {
    if json {
        println!("{}", json!({ "version": directory.version.to_string() }));
    } else {
        println!("BSMP {}", directory.version);
    }
    let list = (0_u8..).zip(directory.variables);
    if json {
        let list: Vec<_> = list.map(|(id, it)| json!({ "id": id, "size": it.size, "writable": it.writable })).collect();
        println!("{}", json!({ "variables": list }));
    } else {
        println!("\nvariables");
        list.for_each(|(id, variable)| println!("{id:3}  {}  {:>9}", kind(variable.writable), bytes(variable.size)));
        println!("\ngroups");
    }
    show_groups(directory, json);
    if !json {
        println!("\ncurves");
    }
    show_curves(directory, json);
    if !json {
        println!("\nfunctions");
    }
    show_functions(directory, json);
}

pub fn show_groups(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.groups).map(|(id, group)| (id, group, group.members.iter().collect::<Vec<_>>()));
    if json {
        let list: Vec<_> =
            list.map(|(id, group, ids)| json!({ "id": id, "writable": group.writable, "members": ids })).collect();
        println!("{}", json!({ "groups": list }));
    } else {
        list.for_each(|(id, group, ids)| println!("{id:3}  {}  {ids:?}", kind(group.writable)));
    }
}

pub fn show_curves(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.curves.iter().zip(directory.checksums));
    if json {
        let list: Vec<_> = list
            .map(|(id, (curve, digest))| {
                json!({ "id": id, "writable": curve.writable, "block": curve.block, "blocks": curve.blocks, "md5": hex(digest) })
            })
            .collect();
        println!("{}", json!({ "curves": list }));
    } else {
        list.for_each(|(id, (curve, digest))| {
            let (kind, checksum) = (kind(curve.writable), checksum(*digest));
            let blocks = if curve.blocks == 1 { "block " } else { "blocks" };
            println!("{id:3}  {kind}  {:5} {blocks} of {:>11}  {checksum}", curve.blocks, bytes(curve.block));
        });
    }
}

pub fn show_functions(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.functions);
    if json {
        let list: Vec<_> = list
            .map(|(id, function)| json!({ "id": id, "input": function.input, "output": function.output }))
            .collect();
        println!("{}", json!({ "functions": list }));
    } else {
        list.for_each(|(id, function)| {
            println!("{id:3}  input {:>8}, output {:>8}", bytes(function.input), bytes(function.output))
        });
    }
}

fn bytes(count: impl Into<u32>) -> String {
    match count.into() {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}
