//! The requests of each stage, and the handling of their responses.

use core::time::Duration;

use super::stage::Stage;
use super::{Settings, Upgrade};
use crate::mcuboot::Hash;
use crate::routine::Step;
use crate::smp::client::{self, Client};
use crate::smp::image::{ReadState, SlotInfo, WriteState};
use crate::smp::os::{Force, Reset};
use crate::smp::routine::item::{Item, Place, Task};
use crate::smp::routine::outcome::{Note, UpgradeOutcome};
use crate::smp::routine::survey::Survey;
use crate::smp::routine::{Call, Error};
use crate::smp::{self, Request, error};
use crate::source::Source;

/// The least time that counts for an attempt while the device boots, so that the boot time also
/// ends for a client that does not wait.
const LEAST_ATTEMPT: Duration = Duration::from_millis(1);

impl<S: Source, I: AsRef<[Item<S>]> + AsMut<[Item<S>]>> Upgrade<S, I> {
    /// Takes one step; returns `None` if the stage has changed and has to be polled again.
    pub(super) fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Option<Step> {
        let usual = client.timeout();
        let item = self.items.as_mut().get_mut(self.at);
        let step = match &mut self.stage {
            Stage::Looking { call, .. } => call.poll(client, &ReadState {}, usual.max(ReadState::TIMEOUT), tx),
            Stage::Booting { call, boot, .. } => {
                boot.attempt = usual.max(LEAST_ATTEMPT);
                call.poll(client, &ReadState {}, usual, tx)
            }
            Stage::Measuring(call) => match call.poll(client, &SlotInfo {}, usual, tx) {
                // The slots only reveal faults in advance: the upgrade goes on without them.
                Err(Error::TimedOut) => {
                    self.measured(client.retries());
                    return None;
                }
                step => step,
            },
            Stage::Uploading => match item.map(|item| self.upload.poll(&mut item.source, client, tx)) {
                Some(Step::Done) => {
                    self.uploaded(client);
                    return None;
                }
                step => step.ok_or(Error::Empty),
            },
            Stage::Marking(call) => write(call, item, false, client, tx),
            Stage::Confirming(call) => write(call, item, true, client, tx),
            Stage::Resetting(call, _) => {
                let Settings { force, .. } = self.settings;
                let request = Reset { force: force.then_some(Force(true)), boot_mode: None };
                call.poll(client, &request, usual, tx)
            }
            Stage::Reopening(moment) => {
                self.stage = Stage::Resting { moment: *moment };
                Ok(Step::Reopen)
            }
            Stage::Resting { .. } => Ok(Step::Wait(self.settings.rest)),
            Stage::Ended(..) => Ok(Step::Done),
        };
        match step {
            Ok(step) => Some(step),
            Err(error) => {
                self.failed(error, client.retries());
                None
            }
        }
    }

    /// Handles a message; returns true if it belongs to the upgrade.
    pub(super) fn hear(&mut self, client: &mut Client, message: &[u8]) -> bool {
        let retries = client.retries();
        let heard = match &mut self.stage {
            Stage::Uploading => {
                let heard = self.upload.receive(client, message).is_some();
                // Continues at once, so that the event names the next step before it is sent.
                if self.upload.has_ended() {
                    self.uploaded(client);
                }
                heard
            }
            Stage::Looking { call, moment } | Stage::Booting { call, moment, .. } => {
                let moment = *moment;
                call.receive(client, message).then(|list| {
                    let seen = list.map(|list| Survey::read(self.items.as_mut(), &list));
                    match seen {
                        Ok(Err(failed)) => self.failed(failed.into(), retries),
                        Ok(Ok(survey)) => self.looked(moment, Ok(survey), retries),
                        Err(error) => self.looked(moment, Err(error), retries),
                    }
                })
            }
            Stage::Measuring(call) => call.receive(client, message).then(|slots| {
                if let Ok(slots) = &slots {
                    self.measure(slots);
                }
                self.measured(retries);
            }),
            Stage::Marking(call) => {
                let version = client.version();
                call.receive(client, message).then(|marked| match marked {
                    Ok(_) => {
                        self.done(Task::None, Some(Place::Pending));
                        self.next(retries);
                    }
                    // Such devices start an uploaded image without a mark.
                    Err(client::Error::Remote(smp::Error::NOT_SUPPORTED)) => {
                        self.notes.add(Note::NoTest);
                        self.done(Task::None, None);
                        self.next(retries);
                    }
                    Err(client::Error::Remote(error)) => self.refused(version, error, retries),
                    Err(error) => self.end(UpgradeOutcome::Failed(error.into())),
                })
            }
            Stage::Resetting(call, moment) => {
                let moment = *moment;
                call.receive(client, message).then(|reset| match reset {
                    Err(client::Error::Remote(error)) => self.end(UpgradeOutcome::Refused(error)),
                    // A response that makes no sense comes from a device that is going down
                    // already.
                    Ok(_) | Err(_) => self.stage = Stage::Reopening(moment),
                })
            }
            Stage::Confirming(call) => call.receive(client, message).then(|confirmed| {
                let note = match confirmed {
                    Err(client::Error::Remote(smp::Error::NOT_SUPPORTED)) => Note::NoConfirm,
                    Err(client::Error::Remote(error::image::IMAGE_CONFIRMATION_DENIED)) => Note::ConfirmDenied,
                    Err(client::Error::Remote(error)) => return self.end(UpgradeOutcome::Refused(error)),
                    // Only the list proves that the image stays.
                    Ok(_) | Err(_) => {
                        self.done(Task::None, None);
                        return self.next(retries);
                    }
                };
                self.notes.add(note);
                self.done(Task::Unconfirmed, None);
                self.next(retries);
            }),
            Stage::Resting { .. } | Stage::Reopening(_) | Stage::Ended(..) => false,
        };
        if !heard {
            self.foreign = self.foreign.wrapping_add(1);
        }
        heard
    }
}

/// Marks or confirms an item. Without a hash a device assumes image 0, whatever the image of the
/// item.
fn write<S: Source>(
    call: &mut Call<WriteState<'static>>,
    item: Option<&mut Item<S>>,
    confirm: bool,
    client: &mut Client,
    tx: &mut [u8],
) -> Result<Step, Error> {
    let item = item.ok_or(Error::Empty)?;
    let mut bytes = [0; Hash::MAX_LEN];
    let hash = if confirm && item.image() == 0 { None } else { Some(item.listed_hash(&mut bytes)?) };
    let request = WriteState { hash: hash.map(Into::into), confirm };
    call.poll(client, &request, client.timeout().max(WriteState::TIMEOUT), tx)
}
