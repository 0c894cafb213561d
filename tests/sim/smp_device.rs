//! A device for SMP: clock, files, settings, statistics, and two slots with the actions of a boot
//! loader at a restart.

use std::collections::BTreeMap;

use anysmp::smp::image::{ImageState, StateResponse, UploadResponse};
use anysmp::smp::routine::ImageFile;
use anysmp::smp::server::{Answer, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Op, error, fs, image, os, settings, stat};

use crate::kit::smp::with;

#[derive(Default)]
pub struct Device {
    pub datetime: String,
    /// How often each write ran, by its text.
    pub runs: BTreeMap<String, u32>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub settings: BTreeMap<String, Vec<u8>>,
    /// The image that runs, and the other slot.
    pub slots: [Vec<u8>; 2],
    pub is_pending: bool,
    pub is_trial: bool,
    pub buf_size: u32,
    pub buf_count: u32,
    pub session: Option<(u64, Option<Vec<u8>>)>,
}

impl Device {
    /// What a boot loader does.
    pub fn boot(&mut self) {
        self.session = None;
        if self.is_pending || self.is_trial {
            self.slots.swap(0, 1);
            self.is_trial = self.is_pending;
            self.is_pending = false;
        }
    }

    pub fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::FS => fs::dispatch(self, incoming, reply),
            Group::SETTINGS => settings::dispatch(self, incoming, reply),
            Group::STATISTICS => {
                let (a, b) = ([("rx".into(), 17), ("tx".into(), 4_000_000_000)], [("drop".into(), 3)]);
                stat::answer(
                    &[stat::Set { name: "uart", fields: &a }, stat::Set { name: "net", fields: &b }],
                    incoming,
                    reply,
                )
            }
            Group::IMAGE => match (incoming.op(), incoming.command()) {
                (Op::Read, 0) => self.state(reply),
                (Op::Write, 0) => match incoming.decode::<image::WriteState<'_>>() {
                    Ok(request) => {
                        let hash = request.hash.and_then(|hash| hash.as_slice()).unwrap_or_default();
                        match hash {
                            [] if request.confirm => self.is_trial = false,
                            hash if hash == identity(&self.slots[1]) => self.is_pending = true,
                            hash if hash == identity(&self.slots[0]) && request.confirm => self.is_trial = false,
                            _ => return reply.error(error::image::HASH_NOT_FOUND),
                        }
                        self.state(reply)
                    }
                    Err(error) => reply.error(error),
                },
                (Op::Write, 1) => match incoming.decode::<image::Upload<'_>>() {
                    Ok(request) => reply.result(self.image(request)),
                    Err(error) => reply.error(error),
                },
                _ => reply.error(Error::NOT_SUPPORTED),
            },
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }

    fn state(&self, reply: Reply<'_>) -> Answer {
        let hashes = [identity(&self.slots[0]), identity(&self.slots[1])];
        let versions = [version(&self.slots[0]), version(&self.slots[1])];
        let images: Vec<ImageState<'_>> = (0..2)
            .filter(|slot| !hashes[*slot].is_empty())
            .map(|slot| {
                with(ImageState::new(slot as u32, versions[slot].as_str().into()), |it| {
                    it.hash = Some(hashes[slot][..].into());
                    it.bootable = true;
                    it.pending = slot == 1 && self.is_pending;
                    it.confirmed = if slot == 0 { !self.is_trial } else { self.is_trial };
                    it.active = slot == 0;
                })
            })
            .collect();
        reply.ok(&StateResponse::new(images[..].into()))
    }

    fn image(&mut self, request: image::Upload<'_>) -> Result<UploadResponse, Error> {
        let data = request.data.and_then(|data| data.as_slice()).ok_or(Error::INVALID)?;
        let sha = request.sha.and_then(|sha| sha.as_slice()).map(<[u8]>::to_vec);
        let at = |slot: &Vec<u8>| Ok(UploadResponse::new(slot.len() as u64));
        if request.off == Some(0) {
            let len = request.len.ok_or(error::image::INVALID_LENGTH)?;
            if let Some((_, known)) = &self.session
                && sha.is_some()
                && *known == sha
            {
                return at(&self.slots[1]);
            }
            if self.is_pending || self.is_trial {
                return Err(error::image::IMAGE_ALREADY_PENDING);
            }
            self.slots[1].clear();
            self.session = Some((len, sha));
        }
        let Some((len, _)) = self.session else { return Ok(UploadResponse::new(0)) };
        if request.off != Some(self.slots[1].len() as u64) {
            return at(&self.slots[1]);
        }
        self.slots[1].extend_from_slice(data);
        if self.slots[1].len() as u64 > len {
            self.session = None;
            return Err(error::image::INVALID_IMAGE_DATA_OVERRUN);
        }
        if self.slots[1].len() as u64 == len {
            self.session = None;
        }
        at(&self.slots[1])
    }
}

/// The hash that an image carries; empty for what is none.
pub fn identity(image: &[u8]) -> Vec<u8> {
    ImageFile::read(&mut &*image).map(|file| file.hash().to_vec()).unwrap_or_default()
}

fn version(image: &[u8]) -> String {
    ImageFile::read(&mut &*image).map(|file| file.version().to_string()).unwrap_or_default()
}

impl os::Commands for Device {
    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        Ok(os::DateTimeResponse::new(self.datetime.as_str().into()))
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        self.datetime = request.datetime.to_string();
        *self.runs.entry(self.datetime.clone()).or_default() += 1;
        Ok(Empty {})
    }

    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(os::ParametersResponse::new(self.buf_size, self.buf_count))
    }

    fn info<'r>(&'r mut self, request: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        Ok(os::InfoResponse::new(request.format.unwrap_or("s".into())))
    }
}

impl fs::Commands for Device {
    fn download<'r>(&'r mut self, request: fs::Download<'r>, room: usize) -> Result<fs::DownloadResponse<'r>, Error> {
        let file = self.files.get(&request.name.to_string()).ok_or(error::fs::FILE_NOT_FOUND)?;
        let off = usize::try_from(request.off).unwrap();
        let rest = file.get(off..).ok_or(error::fs::FILE_OFFSET_LARGER_THAN_FILE)?;
        let data = &rest[..rest.len().min(room)];
        let len = (off == 0).then_some(file.len() as u64);
        Ok(with(fs::DownloadResponse::new(request.off, data.into()), |it| it.len = len))
    }

    fn upload(&mut self, request: fs::Upload<'_>) -> Result<fs::UploadResponse, (Error, Option<u64>)> {
        let data = request.data.as_slice().ok_or((Error::INVALID, None))?;
        let file = self.files.entry(request.name.to_string()).or_default();
        if request.off == 0 {
            file.clear();
        }
        if request.off != file.len() as u64 {
            return Err((error::fs::FILE_OFFSET_NOT_VALID, Some(file.len() as u64)));
        }
        file.extend_from_slice(data);
        Ok(fs::UploadResponse::new(file.len() as u64))
    }

    fn status(&mut self, request: fs::Status<'_>) -> Result<fs::StatusResponse, Error> {
        let file = self.files.get(&request.name.to_string()).ok_or(error::fs::FILE_NOT_FOUND)?;
        Ok(fs::StatusResponse::new(file.len() as u64))
    }
}

impl settings::Commands for Device {
    fn read<'r>(&'r mut self, request: settings::Read<'r>) -> Result<settings::ReadResponse<'r>, Error> {
        let value = self.settings.get(&request.name.to_string()).ok_or(error::settings::KEY_NOT_FOUND)?;
        Ok(settings::ReadResponse::new(value[..].into()))
    }
}
