"""One simulated request: who asks, what is to happen, and how long things take."""

import random
import time
from dataclasses import dataclass, field

REAL_SECONDS_PER_SIMULATED_SECOND = 0.001
"""The apps run a thousand times faster than what they simulate; the recorder stretches the spans again."""

FIRST_NAMES = ("Amara", "Ben", "Chiara", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Keiko", "Liam")
LAST_NAMES = (
    "Okafor",
    "Whitfield",
    "Moretti",
    "Sokolov",
    "Vargas",
    "Haddad",
    "Lindqvist",
    "Tanaka",
    "Ferreira",
    "Brandt",
)
STREETS = ("Harbour Lane", "Elm Street", "Kirkgate", "Mill Road", "Station Approach", "Larkspur Avenue")
CARDS = (
    "4111 1111 1111 1111",
    "5555 5555 5555 4444",
    "3782 822463 10005",
    "4242 4242 4242 4242",
    "6011 1111 1111 1117",
)
TIERS = ("free", "gold", "business")


@dataclass(frozen=True)
class Customer:
    """An invented person."""

    name: str
    email: str
    phone: str
    card: str
    address: str
    user_id: str
    tier: str

    @property
    def planted(self) -> tuple[str, ...]:
        """The personal data that may turn up in this customer's traces."""
        return self.name, self.email, self.phone, self.card, self.address


def customer(rng: random.Random) -> Customer:
    """Somebody."""
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    return Customer(
        name=f"{first} {last}",
        email=f"{first}.{last}{rng.randint(1, 99)}@example.com".lower(),
        phone=f"+1 {rng.choice((212, 415, 617, 773))} 555 01{rng.randint(0, 99):02d}",
        card=rng.choice(CARDS),
        address=f"{rng.randint(2, 180)} {rng.choice(STREETS)}",
        user_id=f"u-{rng.randint(1000, 9999)}",
        tier=rng.choice(TIERS),
    )


@dataclass
class Request:
    """What an app is asked to do; `scenario` says how it will go."""

    scenario: str
    rng: random.Random
    customer: Customer
    session_id: str
    judged: bool = True
    trace_id: str = field(default="")

    @property
    def order(self) -> str:
        """An order number, the same for the whole request."""
        return f"ORD-{20_000 + int(self.customer.user_id[2:])}"

    def work(self, least: float, most: float) -> None:
        """Take between so many simulated seconds."""
        time.sleep(self.rng.uniform(least, most) * REAL_SECONDS_PER_SIMULATED_SECOND)

    def tags(self) -> dict[str, str]:
        """What the apps annotate on a root span, as teams do."""
        person = self.customer
        return {"user_id": person.user_id, "user_handle": person.email, "customer_tier": person.tier}
