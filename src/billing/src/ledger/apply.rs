//! One operation, entirely or not at all: it is worked out on a stage over the ledger, and only what
//! was worked out to the end is merged.

use offhook_types::{AccountId, Micros, WallTime};

use super::{
    Book, Changes, Cover, Ledger, Op, Purpose, Refusal, Reservation, Settled, Standing, Transfer,
    TransferId,
};

/// An operation that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Now.
    Done,
    /// Before, and nothing changed now.
    Already,
}

impl Ledger {
    /// Do one operation.
    pub fn apply(&mut self, op: Op) -> Result<Applied, Refusal> {
        self.apply_all(&[op])
    }

    /// Do several operations together or none of them. [`Applied::Already`] when every single one
    /// was done before.
    pub fn apply_all(&mut self, ops: &[Op]) -> Result<Applied, Refusal> {
        let mut stage = Stage { base: self, changes: Changes::default(), settled: Vec::new() };
        let mut applied = Applied::Already;
        for op in ops {
            if stage.apply(op)? == Applied::Done {
                applied = Applied::Done;
            }
        }
        let Stage { changes, settled, .. } = stage;
        self.merge(changes, settled);
        Ok(applied)
    }

    fn merge(&mut self, changes: Changes, settled: Vec<Settled>) {
        for (book, standing) in &changes.standings {
            self.books.insert(*book, *standing);
        }
        for (id, reservation) in &changes.reservations {
            match reservation {
                Some(reservation) => self.open.insert(*id, *reservation),
                None => self.open.remove(id),
            };
        }
        for settled in settled {
            self.remember(settled);
        }
        self.changes.standings.extend(changes.standings);
        self.changes.reservations.extend(changes.reservations);
        self.changes.transfers.extend(changes.transfers);
    }
}

/// What the operations so far would change, over the ledger as it is.
struct Stage<'a> {
    base: &'a Ledger,
    changes: Changes,
    settled: Vec<Settled>,
}

impl Stage<'_> {
    fn apply(&mut self, op: &Op) -> Result<Applied, Refusal> {
        match *op {
            Op::Open { account, currency, credit_limit } => {
                self.open(account, Standing::new(currency, credit_limit))
            }
            Op::Limit { account, credit_limit } => self.limit(account, credit_limit),
            Op::Transfer { transfer, cover } => self.transfer(transfer, cover),
            Op::Reserve(reservation) => self.reserve(reservation),
            Op::Extend { reservation, total } => self.extend(reservation, total),
            Op::Capture { reservation, amount, to, purpose, at } => {
                self.capture(reservation, Captured { amount, to, purpose, at })
            }
            Op::Release { reservation } => self.release(reservation),
        }
    }

    fn open(&mut self, account: AccountId, standing: Standing) -> Result<Applied, Refusal> {
        if standing.credit_limit < Micros::ZERO {
            return Err(Refusal::NotPositive);
        }
        match self.standing(Book::Customer(account)) {
            None => self.put(Book::Customer(account), standing),
            Some(found) => {
                let same = found.currency == standing.currency
                    && found.credit_limit == standing.credit_limit;
                return if same { Ok(Applied::Already) } else { Err(Refusal::Exists) };
            }
        }
        Ok(Applied::Done)
    }

    fn limit(&mut self, account: AccountId, credit_limit: Micros) -> Result<Applied, Refusal> {
        if credit_limit < Micros::ZERO {
            return Err(Refusal::NotPositive);
        }
        let standing = self.customer(account)?;
        if standing.credit_limit == credit_limit {
            return Ok(Applied::Already);
        }
        self.put(Book::Customer(account), Standing { credit_limit, ..standing });
        Ok(Applied::Done)
    }

    fn transfer(&mut self, transfer: Transfer, cover: Cover) -> Result<Applied, Refusal> {
        positive(transfer.amount)?;
        match self.settled(transfer.id) {
            Some(Settled::Booked(known)) if known.same(&transfer) => return Ok(Applied::Already),
            Some(_) => return Err(Refusal::Reused),
            None if self.reservation(transfer.id).is_some() => return Err(Refusal::Reused),
            None => {}
        }
        if let (Book::Customer(account), Cover::Available) = (transfer.from, cover) {
            self.customer(account)?.covers(transfer.amount)?;
        }
        self.book(transfer)
    }

    fn reserve(&mut self, reservation: Reservation) -> Result<Applied, Refusal> {
        positive(reservation.amount)?;
        if let Some(known) = self.reservation(reservation.id) {
            let same = known.account == reservation.account && known.cdr == reservation.cdr;
            let covered = known.amount >= reservation.amount;
            return if same && covered { Ok(Applied::Already) } else { Err(Refusal::Reused) };
        }
        match self.settled(reservation.id) {
            // It came to its end meanwhile. The request is late, not wrong.
            Some(Settled::Released(known))
                if known.account == reservation.account && known.cdr == reservation.cdr =>
            {
                return Err(Refusal::Settled);
            }
            Some(_) => return Err(Refusal::Reused),
            None => {}
        }
        self.set_aside(reservation.account, reservation.amount)?;
        self.changes.reservations.insert(reservation.id, Some(reservation));
        Ok(Applied::Done)
    }

    fn extend(&mut self, id: TransferId, total: Micros) -> Result<Applied, Refusal> {
        positive(total)?;
        let known = self.pending(id)?;
        if known.amount >= total {
            return Ok(Applied::Already);
        }
        let more = total.checked_sub(known.amount).ok_or(Refusal::Overflow)?;
        self.set_aside(known.account, more)?;
        self.changes.reservations.insert(id, Some(Reservation { amount: total, ..known }));
        Ok(Applied::Done)
    }

    fn capture(&mut self, id: TransferId, captured: Captured) -> Result<Applied, Refusal> {
        positive(captured.amount)?;
        if let Some(Settled::Booked(known)) = self.settled(id) {
            let same = known.amount == captured.amount
                && known.to == captured.to
                && known.purpose == captured.purpose;
            return if same { Ok(Applied::Already) } else { Err(Refusal::Settled) };
        }
        let known = self.pending(id)?;
        if captured.amount > known.amount {
            return Err(Refusal::OverReservation { reserved: known.amount });
        }
        self.give_back(&known)?;
        self.book(Transfer {
            id,
            from: Book::Customer(known.account),
            to: captured.to,
            amount: captured.amount,
            purpose: captured.purpose,
            cdr: Some(known.cdr),
            at: captured.at,
        })
    }

    fn release(&mut self, id: TransferId) -> Result<Applied, Refusal> {
        if let Some(Settled::Released(_)) = self.settled(id) {
            return Ok(Applied::Already);
        }
        let known = self.pending(id)?;
        self.give_back(&known)?;
        self.settled.push(Settled::Released(known));
        Ok(Applied::Done)
    }

    /// Move the amount of a transfer that was found to be new and covered.
    fn book(&mut self, transfer: Transfer) -> Result<Applied, Refusal> {
        let Transfer { from, to, amount, .. } = transfer;
        let (source, target) = (self.existing(from)?, self.existing(to)?);
        if from == to || source.currency != target.currency {
            return Err(Refusal::Unfit);
        }
        let less = source.booked.checked_sub(amount).ok_or(Refusal::Overflow)?;
        let more = target.booked.checked_add(amount).ok_or(Refusal::Overflow)?;
        self.put(from, Standing { booked: less, ..source });
        self.put(to, Standing { booked: more, ..target });
        self.changes.transfers.push(transfer);
        self.settled.push(Settled::Booked(transfer));
        Ok(Applied::Done)
    }

    fn set_aside(&mut self, account: AccountId, amount: Micros) -> Result<(), Refusal> {
        let standing = self.customer(account)?;
        standing.covers(amount)?;
        let reserved = standing.reserved.checked_add(amount).ok_or(Refusal::Overflow)?;
        self.put(Book::Customer(account), Standing { reserved, ..standing });
        Ok(())
    }

    fn give_back(&mut self, reservation: &Reservation) -> Result<(), Refusal> {
        let standing = self.customer(reservation.account)?;
        let left = standing.reserved.checked_sub(reservation.amount).ok_or(Refusal::Overflow)?;
        self.put(Book::Customer(reservation.account), Standing { reserved: left, ..standing });
        self.changes.reservations.insert(reservation.id, None);
        Ok(())
    }

    fn put(&mut self, book: Book, standing: Standing) {
        self.changes.standings.insert(book, standing);
    }

    fn standing(&self, book: Book) -> Option<Standing> {
        self.changes.standings.get(&book).or_else(|| self.base.books.get(&book)).copied()
    }

    fn customer(&self, account: AccountId) -> Result<Standing, Refusal> {
        self.standing(Book::Customer(account)).ok_or(Refusal::NoSuchAccount)
    }

    /// A book to book to: the house's and the carriers' exist as soon as they are needed.
    fn existing(&self, book: Book) -> Result<Standing, Refusal> {
        match book {
            Book::Customer(account) => self.customer(account),
            Book::Carrier(_, currency) | Book::House(_, currency) => {
                let fresh = Standing::new(currency, Micros::ZERO);
                Ok(self.standing(book).unwrap_or(fresh))
            }
        }
    }

    fn reservation(&self, id: TransferId) -> Option<Reservation> {
        match self.changes.reservations.get(&id) {
            Some(changed) => *changed,
            None => self.base.open.get(&id).copied(),
        }
    }

    fn pending(&self, id: TransferId) -> Result<Reservation, Refusal> {
        self.reservation(id).ok_or_else(|| match self.settled(id) {
            Some(_) => Refusal::Settled,
            None => Refusal::NoSuchReservation,
        })
    }

    fn settled(&self, id: TransferId) -> Option<Settled> {
        let staged = self.settled.iter().rev().find(|settled| settled.id() == id);
        staged.or_else(|| self.base.settled.get(&id)).copied()
    }
}

struct Captured {
    amount: Micros,
    to: Book,
    purpose: Purpose,
    at: WallTime,
}

impl Standing {
    fn covers(&self, amount: Micros) -> Result<(), Refusal> {
        let available = self.available();
        if amount <= available { Ok(()) } else { Err(Refusal::Insufficient { available }) }
    }
}

fn positive(amount: Micros) -> Result<(), Refusal> {
    if amount > Micros::ZERO { Ok(()) } else { Err(Refusal::NotPositive) }
}
