"""Reports: what a period looked like, computed once and written in every form that somebody asks for.

Owns: the model, the register of sections, the sections that the log itself tells, the forms (page, PDF, CSV, JSON,
XLSX), the store, and the daily round.
Leaves: what people, keys, risk and places have to say, to the rooms that know it; they register sections.
"""
