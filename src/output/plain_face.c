/* Pictures of letters. */
#include "output/plain_face.h"

#include <string.h>

#include <utf8proc.h>

enum { FIRST = ' ', LAST = '~', UNKNOWN = LAST + 1 - FIRST, DOT = '.' - FIRST, ROWS = 9, COLUMNS = 5 };

/* Rows from the top, the leftmost dot the highest bit; the baseline is under the seventh. */
static const uint8_t face[UNKNOWN + 1][ROWS] = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0},        /*   */
    {4, 4, 4, 4, 4, 0, 4, 0, 0},        /* ! */
    {10, 10, 0, 0, 0, 0, 0, 0, 0},      /* " */
    {10, 10, 31, 10, 31, 10, 10, 0, 0}, /* # */
    {4, 15, 20, 14, 5, 30, 4, 0, 0},    /* $ */
    {25, 25, 2, 4, 8, 19, 19, 0, 0},    /* % */
    {12, 18, 20, 8, 21, 18, 13, 0, 0},  /* & */
    {4, 4, 0, 0, 0, 0, 0, 0, 0},        /* ' */
    {2, 4, 8, 8, 8, 4, 2, 0, 0},        /* ( */
    {8, 4, 2, 2, 2, 4, 8, 0, 0},        /* ) */
    {0, 4, 21, 14, 21, 4, 0, 0, 0},     /* asterisk */
    {0, 4, 4, 31, 4, 4, 0, 0, 0},       /* + */
    {0, 0, 0, 0, 0, 4, 4, 8, 0},        /* , */
    {0, 0, 0, 14, 0, 0, 0, 0, 0},       /* - */
    {0, 0, 0, 0, 0, 0, 4, 0, 0},        /* . */
    {1, 1, 2, 4, 8, 16, 16, 0, 0},      /* slash */
    {14, 17, 19, 21, 25, 17, 14, 0, 0}, /* 0 */
    {4, 12, 4, 4, 4, 4, 14, 0, 0},      /* 1 */
    {14, 17, 1, 6, 8, 16, 31, 0, 0},    /* 2 */
    {30, 1, 1, 14, 1, 1, 30, 0, 0},     /* 3 */
    {2, 6, 10, 18, 31, 2, 2, 0, 0},     /* 4 */
    {31, 16, 30, 1, 1, 17, 14, 0, 0},   /* 5 */
    {14, 16, 16, 30, 17, 17, 14, 0, 0}, /* 6 */
    {31, 1, 2, 2, 4, 4, 4, 0, 0},       /* 7 */
    {14, 17, 17, 14, 17, 17, 14, 0, 0}, /* 8 */
    {14, 17, 17, 15, 1, 1, 14, 0, 0},   /* 9 */
    {0, 0, 4, 0, 0, 0, 4, 0, 0},        /* : */
    {0, 0, 4, 0, 0, 4, 4, 8, 0},        /* ; */
    {2, 4, 8, 16, 8, 4, 2, 0, 0},       /* < */
    {0, 0, 31, 0, 31, 0, 0, 0, 0},      /* = */
    {8, 4, 2, 1, 2, 4, 8, 0, 0},        /* > */
    {14, 17, 1, 2, 4, 0, 4, 0, 0},      /* ? */
    {14, 17, 23, 21, 23, 16, 14, 0, 0}, /* @ */
    {14, 17, 17, 31, 17, 17, 17, 0, 0}, /* A */
    {30, 17, 17, 30, 17, 17, 30, 0, 0}, /* B */
    {14, 17, 16, 16, 16, 17, 14, 0, 0}, /* C */
    {30, 17, 17, 17, 17, 17, 30, 0, 0}, /* D */
    {31, 16, 16, 30, 16, 16, 31, 0, 0}, /* E */
    {31, 16, 16, 30, 16, 16, 16, 0, 0}, /* F */
    {14, 17, 16, 23, 17, 17, 14, 0, 0}, /* G */
    {17, 17, 17, 31, 17, 17, 17, 0, 0}, /* H */
    {14, 4, 4, 4, 4, 4, 14, 0, 0},      /* I */
    {7, 2, 2, 2, 2, 18, 12, 0, 0},      /* J */
    {17, 18, 20, 24, 20, 18, 17, 0, 0}, /* K */
    {16, 16, 16, 16, 16, 16, 31, 0, 0}, /* L */
    {17, 27, 21, 21, 17, 17, 17, 0, 0}, /* M */
    {17, 25, 21, 19, 17, 17, 17, 0, 0}, /* N */
    {14, 17, 17, 17, 17, 17, 14, 0, 0}, /* O */
    {30, 17, 17, 30, 16, 16, 16, 0, 0}, /* P */
    {14, 17, 17, 17, 21, 18, 13, 0, 0}, /* Q */
    {30, 17, 17, 30, 20, 18, 17, 0, 0}, /* R */
    {15, 16, 16, 14, 1, 1, 30, 0, 0},   /* S */
    {31, 4, 4, 4, 4, 4, 4, 0, 0},       /* T */
    {17, 17, 17, 17, 17, 17, 14, 0, 0}, /* U */
    {17, 17, 17, 17, 17, 10, 4, 0, 0},  /* V */
    {17, 17, 17, 21, 21, 27, 17, 0, 0}, /* W */
    {17, 17, 10, 4, 10, 17, 17, 0, 0},  /* X */
    {17, 17, 10, 4, 4, 4, 4, 0, 0},     /* Y */
    {31, 1, 2, 4, 8, 16, 31, 0, 0},     /* Z */
    {14, 8, 8, 8, 8, 8, 14, 0, 0},      /* [ */
    {16, 16, 8, 4, 2, 1, 1, 0, 0},      /* backslash */
    {14, 2, 2, 2, 2, 2, 14, 0, 0},      /* ] */
    {4, 10, 17, 0, 0, 0, 0, 0, 0},      /* ^ */
    {0, 0, 0, 0, 0, 0, 0, 31, 0},       /* _ */
    {8, 4, 0, 0, 0, 0, 0, 0, 0},        /* ` */
    {0, 0, 14, 1, 15, 17, 15, 0, 0},    /* a */
    {16, 16, 30, 17, 17, 17, 30, 0, 0}, /* b */
    {0, 0, 15, 16, 16, 16, 15, 0, 0},   /* c */
    {1, 1, 15, 17, 17, 17, 15, 0, 0},   /* d */
    {0, 0, 14, 17, 31, 16, 14, 0, 0},   /* e */
    {6, 8, 30, 8, 8, 8, 8, 0, 0},       /* f */
    {0, 0, 15, 17, 17, 17, 15, 1, 14},  /* g */
    {16, 16, 30, 17, 17, 17, 17, 0, 0}, /* h */
    {4, 0, 12, 4, 4, 4, 14, 0, 0},      /* i */
    {2, 0, 6, 2, 2, 2, 2, 18, 12},      /* j */
    {16, 16, 18, 20, 24, 20, 18, 0, 0}, /* k */
    {12, 4, 4, 4, 4, 4, 14, 0, 0},      /* l */
    {0, 0, 26, 21, 21, 21, 21, 0, 0},   /* m */
    {0, 0, 30, 17, 17, 17, 17, 0, 0},   /* n */
    {0, 0, 14, 17, 17, 17, 14, 0, 0},   /* o */
    {0, 0, 30, 17, 17, 17, 30, 16, 16}, /* p */
    {0, 0, 15, 17, 17, 17, 15, 1, 1},   /* q */
    {0, 0, 22, 25, 16, 16, 16, 0, 0},   /* r */
    {0, 0, 15, 16, 14, 1, 30, 0, 0},    /* s */
    {8, 8, 30, 8, 8, 8, 6, 0, 0},       /* t */
    {0, 0, 17, 17, 17, 17, 15, 0, 0},   /* u */
    {0, 0, 17, 17, 17, 10, 4, 0, 0},    /* v */
    {0, 0, 17, 17, 21, 21, 10, 0, 0},   /* w */
    {0, 0, 17, 10, 4, 10, 17, 0, 0},    /* x */
    {0, 0, 17, 17, 17, 17, 15, 1, 14},  /* y */
    {0, 0, 31, 2, 4, 8, 31, 0, 0},      /* z */
    {6, 4, 4, 8, 4, 4, 6, 0, 0},        /* { */
    {4, 4, 4, 4, 4, 4, 4, 0, 0},        /* | */
    {12, 4, 4, 2, 4, 4, 12, 0, 0},      /* } */
    {0, 0, 8, 21, 2, 0, 0, 0, 0},       /* ~ */
    {31, 17, 17, 17, 17, 17, 31, 0, 0}, /* what it has no picture of */
};

/* The picture of a character without its accents; -1: it has none of its own, as accents that follow a letter. */
static int picture_of(utf8proc_int32_t character)
{
    utf8proc_int32_t parts[8];
    int last_class = 0;
    if (character >= FIRST && character <= LAST)
        return character - FIRST;
    utf8proc_ssize_t count =
        utf8proc_decompose_char(character, parts, 8, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last_class);
    if (count >= 1 && count <= 8 && parts[0] >= FIRST && parts[0] <= LAST)
        return parts[0] - FIRST;
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
        return -1;
    default:
        return UNKNOWN;
    }
}

void plain_line_set(struct plain_line *line, const char *text)
{
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    line->count = 0;
    while (left > 0 && line->count < PLAIN_LINE_MOST) {
        utf8proc_int32_t character;
        utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text, left, &character);
        int picture = bytes > 0 ? picture_of(character) : UNKNOWN;
        bytes = bytes > 0 ? bytes : 1;
        text += bytes;
        left -= bytes;
        if (picture >= 0)
            line->pictures[line->count++] = (uint8_t)picture;
    }
}

void plain_line_fit(struct plain_line *line, size_t most)
{
    enum { DOTS = 3 };
    if (line->count <= most)
        return;
    if (most <= DOTS) {
        line->count = most;
        return;
    }
    size_t head = (most - DOTS + 1) / 2, tail = most - DOTS - head;
    memset(line->pictures + head, DOT, DOTS);
    memmove(line->pictures + head + DOTS, line->pictures + line->count - tail, tail);
    line->count = most;
}

int plain_line_width(const struct plain_line *line)
{
    return line->count > 0 ? (int)line->count * PLAIN_DOTS_WIDE - 1 : 0;
}

void plain_line_draw(const struct plain_line *line, void (*dot)(void *user_data, int x, int y), void *user_data)
{
    for (size_t i = 0; i < line->count; i++)
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLUMNS; x++)
                if (face[line->pictures[i]][y] >> (COLUMNS - 1 - x) & 1)
                    dot(user_data, (int)i * PLAIN_DOTS_WIDE + x, y);
}
