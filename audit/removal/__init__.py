"""What goes: a person's readable data at once, old events when their time is over; the hashes stay."""
