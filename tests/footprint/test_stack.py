#!/usr/bin/env python3
"""What `stack.py` says of programs of a few instructions, which `as` and `ld` make."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import stack

HEAD = ".syntax unified\n.cpu cortex-m3\n.thumb\n.text\n"
# `function NAME SIZE` begins a function with a frame of that size.
FUNCTION = r"""
.section .stack_sizes, "o", %progbits, .text
.word \1
.uleb128 \2
.text
.align 2
.type \1, %function
\1:
"""
USERS, CRATES = '"footprint::device::read"', '"anysmp::write_str"'


class Stack(unittest.TestCase):
    def program(self, text):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        source, code, elf = (Path(directory.name, name) for name in ("source.s", "code.o", "elf"))
        source.write_text(HEAD + re.sub(r"^ *function (\S+) (\d+)$", FUNCTION, text, flags=re.MULTILINE))
        subprocess.run(["arm-none-eabi-as", source, "-o", code], check=True)
        subprocess.run(["arm-none-eabi-ld", "-e", "0", code, "-o", elf], check=True)
        return stack.Image(elf)

    def used(self, text, **options):
        return self.program(text).worst("root", **options)[0]

    def refused(self, text, why):
        with self.assertRaisesRegex(stack.Unbounded, why):
            self.used(text)

    def test_frames_of_the_deepest_chain_are_added(self):
        image = self.program("""
            function root 16
                bl shallow
                bl middle
                bx lr
            function middle 24
                bl deep
                bx lr
            function deep 200
                bx lr
            function shallow 100
                bx lr
        """)
        self.assertEqual(image.worst("root"), (240, [("root", 16), ("middle", 24), ("deep", 200)], set()))
        self.assertEqual(image.worst("shallow")[0], 100)

    def test_tail_call_and_branch_into_another_function_count_as_calls(self):
        for branch in "b.w next", "cbz r0, next", "bne.w next", "b.w next + 2":
            used = self.used(f"function root 8\n {branch}\n bx lr\n function next 40\n nop\n bx lr\n")
            self.assertEqual(used, 48, branch)

    def test_branch_within_a_function_is_none(self):
        self.assertEqual(self.used("function root 8\n again: nop\n b again\n b root\n"), 8)

    def test_recursion_is_refused(self):
        self.refused("function root 8\n bl root\n bx lr\n", "recursion: root -> root")
        ring = "function root 8\n bl one\n bx lr\n function one 8\n bl two\n bx lr\n function two 8\n b.w one\n"
        self.refused(ring, "recursion: one -> two -> one")

    def test_recursion_through_a_function_of_the_users_is_refused(self):
        self.refused(
            f"""
            function root 8
                bl {CRATES}
            function {CRATES} 8
                bl {USERS}
            function {USERS} 8
                bl {CRATES}
            """,
            "recursion: anysmp",
        )

    def test_call_through_a_register_that_nobody_tells_is_refused(self):
        for call in "blx r3", "bx r3", "ldr r4, [r0]\n blx r4", "pop {r4, pc}\n blx r4", "mov r4, r3\n blx r4":
            self.refused(f"function root 8\n {call}\n bx lr\n", "root calls a function that is not known, at 0x")

    def test_register_that_was_overwritten_or_lost_in_a_call_is_not_known(self):
        for between in "ldrd r2, r3, [r0]", "ldm r0, {r2, r3}", "pop {r3}", "bl other", "moveq r3, r0", "ldr r1, [r3], #4":
            if between.startswith("moveq"):
                between = "it eq\n" + between
            self.refused(
                f"""
                function root 8
                    ldr r3, =other
                    {between}
                    blx r3
                    bx lr
                    .pool
                function other 8
                    bx lr
                """,
                "root calls a function that is not known",
            )

    def test_call_through_a_register_is_followed(self):
        for load in (
            "ldr r3, =other",
            "ldr.w r9, =other\n mov r3, r9",
            "movw r3, #:lower16:other\n movt r3, #:upper16:other",
            "ldr r2, =other\n str r2, [sp, #4]\n ldr r3, [sp, #4]",
        ):
            text = f"function root 8\n {load}\n blx r3\n bx lr\n .pool\n function other 40\n bx lr\n"
            self.assertEqual(self.used(text), 48, load)

    def test_register_that_two_branches_set_calls_either(self):
        for first, second in ("large", "small"), ("small", "large"):
            used = self.used(f"""
                function root 8
                    cbz r0, 1f
                    ldr r4, ={first}
                    b 2f
                1:  ldr r4, ={second}
                2:  blx r4
                    bx lr
                    .pool
                function large 100
                    bx lr
                function small 10
                    bx lr
            """)
            self.assertEqual(used, 108)

    OUTLINED = """
        function root 8
            ldr r8, =large
            bl outlined
            bl another
            bx lr
            .pool
        function another 16
            {}
            bl outlined
            bx lr
            .pool
        function outlined 0
            mov r0, r1
            bx r8
        function large 100
            bx lr
        function small 10
            bx lr
    """

    def test_outlined_code_calls_what_any_of_its_callers_has_in_the_register(self):
        self.assertEqual(self.used(self.OUTLINED.format("ldr r8, =small")), 8 + 16 + 100)

    def test_outlined_code_is_refused_if_one_caller_does_not_tell(self):
        self.refused(self.OUTLINED.format("ldr r8, [r0]"), "outlined calls a function that is not known")

    # The user's function is 500 deep, what it calls besides 1,000.
    CALLBACK = f"""
        function root 8
            bl {USERS}
            bx lr
        function {USERS} 500
            bl format
            bx lr
        function format 1000
            bl {CRATES}
            bx lr
        function {CRATES} 40
            bl format_of_the_crate
            bx lr
        function format_of_the_crate 4
            bx lr
    """

    def test_user_does_not_count_but_what_it_calls_of_the_crate_does(self):
        self.assertEqual(self.used(self.CALLBACK), 8 + 40 + 4)

    def test_frame_of_the_users_counts_where_it_is_asked_for(self):
        self.assertEqual(self.used(self.CALLBACK, users=True), 8 + 500 + 40 + 4)

    def test_assembly_is_sized_by_its_pushes_and_named(self):
        image = self.program("""
            function root 8
                bl assembly
                bx lr
            .type assembly, %function
            assembly:
                push {r4-r6, lr}
                stmdb sp!, {r8, fp}
                str r7, [sp, #-8]!
                sub sp, #12
                bx lr
        """)
        self.assertEqual(image.worst("root"), (52, [("root", 8), ("assembly", 44)], {("assembly", 44)}))

    def test_image_without_frame_sizes_is_refused(self):
        with self.assertRaisesRegex(stack.Unbounded, "emit-stack-sizes"):
            self.program(".type root, %function\nroot: bx lr\n")

    def test_root_that_does_not_exist_is_refused(self):
        with self.assertRaisesRegex(stack.Unbounded, "0 functions are called nobody"):
            self.program("function root 8\n bx lr\n").worst("nobody")


if __name__ == "__main__":
    unittest.main()
