"""How good the score is, measured on files of sign-ins.

Owns: the reader of the public RBA columns, the replay in time order, the Freeman baseline, the figures, their drawing
and the simulator. Leaves: the score itself to `risk.scorer`, and the commands to `server.commands`.
"""
